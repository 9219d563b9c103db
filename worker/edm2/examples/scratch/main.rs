#[path = "../recipe-weights/recipe.rs"]
mod recipe;
use fidelis_edm2::checkpoint::TensorFile;
use fidelis_edm2::detector::*;
use std::time::Instant;
use tch::*;
fn main() {
    tch::set_num_threads(1);
    let _g = tch::no_grad_guard();
    let net = Inception::new(recipe::weights("inception").unwrap(), Device::Cpu).unwrap();
    let x = Tensor::randn([8, 3, 299, 299], kind::FLOAT_CPU).clamp(-1., 1.);
    for _ in 0..2 {
        let t = Instant::now();
        let ones: Vec<Tensor> = (0..8).map(|i| net.forward(&x.narrow(0, i, 1))).collect();
        let one = Tensor::cat(&ones, 0);
        println!("batch 1: {:.3} s/img", t.elapsed().as_secs_f64() / 8.0);
        for b in [2, 4, 8] {
            let t = Instant::now();
            let y: Vec<Tensor> = x.split(b, 0).iter().map(|x| net.forward(x)).collect();
            let y = Tensor::cat(&y, 0);
            println!(
                "batch {b}: {:.3} s/img, diff {:e}",
                t.elapsed().as_secs_f64() / 8.0,
                (&y - &one).abs().max().double_value(&[])
            );
        }
    }
    drop(net);
    let file = TensorFile::read(std::path::Path::new("/tmp/nets-venv/dinov2.safetensors")).unwrap();
    let net = DinoV2::new(file.tensors, Device::Cpu).unwrap();
    let x = Tensor::randn([4, 3, 224, 224], kind::FLOAT_CPU);
    for _ in 0..2 {
        let t = Instant::now();
        let ones: Vec<Tensor> = (0..4).map(|i| net.forward(&x.narrow(0, i, 1))).collect();
        let one = Tensor::cat(&ones, 0);
        println!("dino batch 1: {:.3} s/img", t.elapsed().as_secs_f64() / 4.0);
        let t = Instant::now();
        let y = net.forward(&x);
        println!(
            "dino batch 4: {:.3} s/img, diff {:e}",
            t.elapsed().as_secs_f64() / 4.0,
            (&y - &one).abs().max().double_value(&[])
        );
    }
}
