//! Nets in the published layout.

use std::collections::BTreeMap;

use fidelis_formats::{Array, StateDict};

use super::python::{Py, call, dict, pickle, text};
use super::torch::{inline_storage, strides, tensor};

/// An object of one of the authors' classes.
pub fn object(class: &str, state: Py) -> Py {
    let meta = [
        ("type", text("class")),
        ("version", Py::Int(6)),
        ("module_src", text("# left out\n")),
        ("class_name", text(class)),
        ("state", state),
    ];
    call("torch_utils.persistence", "_reconstruct_persistent_obj", vec![dict(meta)])
}

fn easy_dict<const N: usize>(entries: [(&str, Py); N]) -> Py {
    let empty = Py::New(Box::new(Py::Global("dnnlib.util", "EasyDict")));
    Py::Filled(Box::new(empty), entries.map(|(key, value)| (text(key), value)).to_vec())
}

/// A net in the published layout: `kwargs` are its constructor's, `encoder` the object that goes with it.
pub fn net(kwargs: Py, tensors: &StateDict, encoder: Py) -> Vec<u8> {
    let mut tree = Module::default();
    for (name, array) in tensors {
        tree.insert(name, array);
    }
    let loss = object("EDM2Loss", dict([("P_mean", Py::Float(-0.4)), ("P_std", Py::Float(1.0))]));
    let data = [("class_name", text("training.dataset.ImageFolderDataset")), ("use_labels", Py::Bool(true))];
    let top = [
        ("encoder", encoder),
        ("dataset_kwargs", easy_dict(data)),
        ("loss_fn", loss),
        ("ema", tree.object("Precond", Some(kwargs))),
    ];
    pickle(&easy_dict(top), 4)
}

/// The encoder of nets on pixels.
pub fn rgb_encoder() -> Py {
    object(
        "StandardRGBEncoder",
        dict([("_init_args", Py::Tuple(vec![])), ("_init_kwargs", dict::<&str>([]))]),
    )
}

/// Modules below modules, by the dots in the tensors' names.
#[derive(Debug, Default)]
struct Module {
    tensors: Vec<(String, Array)>,
    modules: BTreeMap<String, Module>,
}

impl Module {
    fn insert(&mut self, name: &str, array: &Array) {
        match name.split_once('.') {
            Some((module, rest)) => self.modules.entry(module.to_owned()).or_default().insert(rest, array),
            None => self.tensors.push((name.to_owned(), array.clone())),
        }
    }

    fn object(&self, class: &str, kwargs: Option<Py>) -> Py {
        let (mut parameters, mut buffers) = (Vec::new(), Vec::new());
        for (name, array) in &self.tensors {
            let view = tensor(inline_storage(array), 0, &array.shape, &strides(&array.shape));
            if name == "freqs" || name == "phases" {
                buffers.push((text(name), view));
            } else {
                let hooks = call("collections", "OrderedDict", vec![]);
                let parameter =
                    call("torch._utils", "_rebuild_parameter", vec![view, Py::Bool(false), hooks]);
                parameters.push((text(name), parameter));
            }
        }
        let children =
            self.modules.iter().map(|(name, module)| (text(name), module.object(class_of(name), None)));
        let mut state = vec![
            (text("training"), Py::Bool(false)),
            (text("_parameters"), Py::Dict(parameters)),
            (text("_buffers"), Py::Dict(buffers)),
            (text("_backward_hooks"), call("collections", "OrderedDict", vec![])),
            (text("_modules"), Py::Dict(children.collect())),
        ];
        if class == "ModuleDict" {
            let module = Py::New(Box::new(Py::Global("torch.nn.modules.container", "ModuleDict")));
            return Py::Build(Box::new(module), Box::new(Py::Dict(state)));
        }
        state.push((text("_init_args"), Py::Tuple(vec![])));
        state.push((text("_init_kwargs"), kwargs.unwrap_or(Py::Dict(vec![]))));
        object(class, Py::Dict(state))
    }
}

fn class_of(module: &str) -> &'static str {
    match module {
        "unet" => "UNet",
        "enc" | "dec" => "ModuleDict",
        _ if module.ends_with("fourier") => "MPFourier",
        _ if module.contains("_block")
            || ["_down", "_up", "_in0", "_in1"].iter().any(|s| module.ends_with(s)) =>
        {
            "Block"
        }
        _ => "MPConv",
    }
}
