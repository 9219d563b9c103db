//! What people read, letter by letter; what they look at, pixel by pixel.

use std::path::Path;

use fidelis::report::sheet::{self, Picker, Picture, SheetError};
use fidelis::report::{Report, html, markdown, terminal};
use fidelis_contract::{
    ids::Digest,
    result::{
        DetectorResult, Floor, Making, Measured, Method, Provenance, Reference, RunResult, SCHEMA, Timing,
    },
    spec::{EngineKind, Labels, NoiseMode, Precision, SamplerSpec},
};

fn run(name: &str, guidance: f64, value: f64, sd: f64) -> RunResult {
    let method = Method::Frechet { blocks: 10, clipped_mass: 0.0, sigma_clipped_mass: None };
    let distance = DetectorResult {
        metrics: vec![Measured { id: "fd".into(), value, sd: Some(sd), method, num_images: 2000 }],
        reference: Some(Reference { num_images: Some(60_000) }),
        floor: Some(Floor { value: 1.125, num_images: Some(10_000), rank_deficient: false }),
        rank_deficient: false,
        published: None,
    };
    let guided = guidance != 1.0;
    RunResult {
        schema: SCHEMA,
        run: format!("{name}-0123456789abcdef").parse().unwrap(),
        spec_digest: Digest([0xab; 32]),
        name: name.into(),
        guidance,
        num_images: 2000,
        unreadable: Vec::new(),
        other_micro_batch: Vec::new(),
        detectors: [("fashion-cnn".to_owned(), distance)].into(),
        timing: Timing {
            images_per_s: Some(if guided { 21.04 } else { 41.26 }),
            making: None,
            device_seconds: 95.06,
            workers: 1,
        },
        provenance: Provenance {
            engine: EngineKind::Edm2,
            net_sha256: Some(Digest([1; 32])),
            gnet_sha256: guided.then_some(Digest([2; 32])),
            encoder: None,
            vae_sha256: None,
            data_sha256: None,
            guidance_interval: None,
            net_damage: None,
            gnet_damage: None,
            seeds: "0-1999".parse().unwrap(),
            labels: Labels::Random,
            sampler: SamplerSpec { num_steps: 16, ..SamplerSpec::default() },
            noise: NoiseMode::Cpu,
            precision: Precision::Fp32,
            micro_batch: 64,
            detector_sha256: [("fashion-cnn".to_owned(), Digest([3; 32]))].into(),
            reference_sha256: [("fashion-cnn".to_owned(), Digest([4; 32]))].into(),
            held_out_sha256: Default::default(),
            devices: vec!["cpu".into()],
            arithmetic: None,
            vae_precision: None,
            files: Default::default(),
            makers: Default::default(),
        },
    }
}

fn pair() -> Vec<RunResult> {
    vec![run("unguided", 1.0, 23.0249, 0.3149), run("guided", 1.4, 14.9012, 0.2512)]
}

const NOTES: [&str; 5] = [
    "Lower is better. A Fréchet distance estimated from 2,000 images is biased upward: with more images the same net \
     measures lower. Compare only runs with the same number of images.",
    "± is one standard error (sd), from leaving out each of 10 contiguous blocks of seeds in turn. It says how far \
     other seeds of the same nets would scatter; it holds neither the bias above nor the spread between nets trained \
     anew.",
    "The floor is the distance of 10,000 held-out real images to the same reference: about what perfect samples would \
     measure at that number of images. With the fewer images of a run, even perfect samples would measure more.",
    "FD is the Fréchet distance between features of the detector `fashion-cnn`. It is not FID: distances of different \
     detectors have different units and cannot be compared.",
    "images/s is by the clock on the wall, from submission to the last image stored, in the command that last made any. \
     Device time is what all workers spent on chunks, added up.",
];

#[test]
fn the_terminals_table() {
    let text = terminal(&pair());
    let table = "\
run        guidance   images   FD (fashion-cnn)   floor (images)   images/s   device time   workers
unguided          1    2,000       23.02 ± 0.31    1.12 (10,000)       41.3    1 min 35 s         1
guided          1.4    2,000       14.90 ± 0.25    1.12 (10,000)       21.0    1 min 35 s         1
";
    assert!(text.starts_with(table), "{text}");
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(words(&text[table.len()..]), words(&NOTES.join(" ").replace('`', "")));
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
}

#[test]
fn the_markdown_for_a_pull_request() {
    let hex = |byte: &str| byte.repeat(32);
    let expected = format!(
        "# unguided and guided

| run | guidance | images | FD (fashion-cnn) | floor (images) | images/s | device time | workers |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
| unguided | 1 | 2,000 | 23.02 ± 0.31 | 1.12 (10,000) | 41.3 | 1 min 35 s | 1 |
| guided | 1.4 | 2,000 | 14.90 ± 0.25 | 1.12 (10,000) | 21.0 | 1 min 35 s | 1 |

{notes}

<details><summary>Provenance</summary>

|  | unguided | guided |
| --- | --- | --- |
| run | unguided-0123456789abcdef | guided-0123456789abcdef |
| spec sha256 | {ab} | {ab} |
| engine | edm2 | edm2 |
| net sha256 | {one} | {one} |
| guiding net sha256 |  | {two} |
| guidance | none (weight 1) | weight 1.4 |
| seeds | 0-1999 | 0-1999 |
| labels | random | random |
| sampler | {sampler} | {sampler} |
| noise | cpu | cpu |
| precision | fp32 | fp32 |
| micro-batch | 64 | 64 |
| fashion-cnn weights sha256 | {three} | {three} |
| fashion-cnn reference sha256 | {four} | {four} |
| devices | cpu | cpu |

</details>
",
        notes = NOTES.join("\n\n"),
        sampler = "Heun, 16 steps, sigma 0.002 to 80, rho 7, state fp32",
        ab = hex("ab"),
        one = hex("01"),
        two = hex("02"),
        three = hex("03"),
        four = hex("04"),
    );
    assert_eq!(markdown(&pair()), expected);
}

#[test]
fn result_json_is_pinned() {
    let result = RunResult { detectors: [].into(), ..run("guided", 1.4, 0.0, 0.0) };
    let hex = |byte: &str| byte.repeat(32);
    let expected = format!(
        r#"{{"schema":2,"run":"guided-0123456789abcdef","spec_digest":"{}","name":"guided","guidance":1.4,"num_images":2000,"detectors":{{}},"timing":{{"images_per_s":21.04,"device_seconds":95.06,"workers":1}},"provenance":{{"engine":"edm2","net_sha256":"{}","gnet_sha256":"{}","guidance_interval":null,"seeds":"0-1999","labels":"random","sampler":{{"num_steps":16,"sigma_min":0.002,"sigma_max":80.0,"rho":7.0,"S_churn":0.0,"S_min":0.0,"S_max":"inf","S_noise":1.0,"state":"fp32"}},"noise":"cpu","precision":"fp32","micro_batch":64,"detector_sha256":{{"fashion-cnn":"{}"}},"reference_sha256":{{"fashion-cnn":"{}"}},"devices":["cpu"]}}}}"#,
        hex("ab"),
        hex("01"),
        hex("02"),
        hex("03"),
        hex("04"),
    );
    assert_eq!(serde_json::to_string(&result).unwrap(), expected);
    let distance = serde_json::to_string(&run("guided", 1.4, 14.9, 0.25).detectors).unwrap();
    assert_eq!(
        distance,
        r#"{"fashion-cnn":{"metrics":[{"id":"fd","value":14.9,"sd":0.25,"method":"frechet","blocks":10,"clipped_mass":0.0,"num_images":2000}],"reference":{"num_images":60000},"floor":{"value":1.125,"num_images":10000},"rank_deficient":false}}"#
    );
    let whole = run("guided", 1.4, 14.901_234_567_891_23, 0.1 + 0.2);
    assert_eq!(RunResult::from_json(&whole.to_json().unwrap()).unwrap(), whole);
}

/// A page that fetches and runs nothing, escapes what it shows, and draws its error bars.
#[test]
fn the_page_stands_alone() {
    let mut runs = pair();
    runs[1].name = "a<b>\"&".into();
    let cell = |shade: u8| Some(Picture { shape: [1, 28, 28], pixels: vec![shade; 28 * 28] });
    let panel = |base: u8| (0..10).map(|r| (0..10).map(|c| cell(base + 10 * r + c)).collect()).collect();
    let sheet = sheet::png(&[panel(20), panel(120)]).unwrap();
    let page = html(&Report { runs, sheet: Some(sheet) });
    std::fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join("report.html"), &page).unwrap();

    for forbidden in ["<script", "http://", "https://", "a<b>", "@import", "url("] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
    for wanted in [
        "a&lt;b&gt;&quot;&amp;",
        "data:image/png;base64,iVBOR",
        "class=\"whisker\"",
        "class=\"floor\"",
        "floor 1.12 (10,000)",
    ] {
        assert!(page.contains(wanted), "{wanted}");
    }
    assert_eq!(page.matches("<em>lowest</em>").count(), 1);
    let near = vec![run("a", 1.0, 15.0, 0.3), run("b", 1.2, 14.8, 0.3)];
    assert!(!html(&Report { runs: near, sheet: None }).contains("lowest"), "within their error bars");
    assert!(!html(&Report { runs: pair(), sheet: None }).contains("<img"));
}

#[test]
fn runs_that_cannot_be_compared_say_so() {
    let fewer = RunResult { num_images: 500, ..run("guided", 1.4, 14.9, 0.25) };
    let runs = vec![run("unguided", 1.0, 23.0, 0.3), fewer];
    assert!(terminal(&runs).contains("cannot be compared directly"));
    assert!(!html(&Report { runs, sheet: None }).contains("lowest"));
    let mut runs = pair();
    runs[0].provenance.reference_sha256.clear();
    assert!(terminal(&runs).contains("different references"));
    assert!(!html(&Report { runs, sheet: None }).contains("lowest"));
    let mut runs = pair();
    runs[1].provenance.seeds = "2000-3999".parse().unwrap();
    assert!(terminal(&runs).contains("no seed in common"));
    runs[1].provenance.seeds = "1990-3989".parse().unwrap();
    assert!(!terminal(&runs).contains("no seed in common"));
    let twins = vec![run("same", 1.0, 2.0, 0.1), run("same", 1.0, 2.0, 0.1)];
    assert!(markdown(&twins).starts_with("# same-0123456789abcdef and same-0123456789abcdef\n"));
}

fn quoting(name: &str, published: Option<f64>) -> RunResult {
    let mut run = run(name, 1.0, 1.361, 0.004);
    run.detectors.get_mut("fashion-cnn").unwrap().published = published;
    run
}

#[test]
fn a_published_figure_stands_beside_the_distance() {
    let runs = vec![quoting("preset", Some(1.3)), quoting("own", None)];
    let table = "\
run      guidance   images   FD (fashion-cnn)   floor (images)   published   images/s   device time   workers
preset          1    2,000    1.3610 ± 0.0040    1.12 (10,000)        1.30       41.3    1 min 35 s         1
own             1    2,000    1.3610 ± 0.0040    1.12 (10,000)           –       41.3    1 min 35 s         1
";
    let text = terminal(&runs);
    assert!(text.starts_with(table), "{text}");
    assert!(text.contains("Published is the figure that the spec quotes"), "{text}");
    let text = markdown(&runs);
    assert!(
        text.contains("| floor (images) | published |") && text.contains("| 1.12 (10,000) | 1.30 |"),
        "{text}"
    );
    let json = String::from_utf8(runs[0].to_json().unwrap()).unwrap();
    assert!(json.contains("\"published\": 1.3"), "{json}");
    let page = html(&Report { runs: runs.clone(), sheet: None });
    assert!(
        page.contains("<th class=\"num\">published</th>") && page.contains("<td class=\"num\">1.30</td>")
    );
    assert!(page.contains("FD · fashion-cnn · published 1.30"), "one run alone has no table, but a card");
    assert!(!terminal(&runs[1..]).contains("ublished"), "nothing to quote");
}

/// Floors of two numbers of images stand in one chart and one caption, each with its own.
#[test]
fn floors_keep_their_numbers_of_images() {
    let mut runs = pair();
    let result = runs[1].detectors.get_mut("fashion-cnn").unwrap();
    result.floor = Some(Floor { value: 2.5, num_images: Some(2000), rank_deficient: false });
    let page = html(&Report { runs: runs.clone(), sheet: None });
    assert_eq!(page.matches("class=\"floor\"").count(), 2);
    assert!(page.contains(">floor 1.12 (10,000)<") && page.contains(">2.50 (2,000)<"));
    assert!(terminal(&runs).contains("distance of 2,000 or 10,000 held-out real"), "{}", terminal(&runs));
    let result = runs[1].detectors.get_mut("fashion-cnn").unwrap();
    result.floor = Some(Floor { value: 2.5, num_images: None, rank_deficient: true });
    assert!(terminal(&runs).contains("2.50 (?) *") && terminal(&runs).contains("rank-deficient"));
}

/// A rate of earlier versions was the sum of the workers' own: it is read, and no claim is made of it.
#[test]
fn a_run_that_nobody_saw_being_made_has_no_rate() {
    let mut runs = vec![run("reported", 1.0, 23.0, 0.3)];
    runs[0].timing = Timing::of([], None);
    let text = terminal(&runs);
    assert!(text.lines().nth(1).unwrap().contains("–") && !text.contains("clock on the wall"), "{text}");
    let making = Some(Making { num_images: 2000, seconds: 100.0 });
    assert_eq!(Timing::of([], making).images_per_s, Some(20.0));
    assert_eq!(Timing::of([], Some(Making { num_images: 0, seconds: 0.1 })).images_per_s, None);
}

/// Beside the distance that runs are compared by, each other metric has a column of its own.
#[test]
fn other_metrics_stand_beside_the_distance() {
    let mut runs = pair();
    let result = runs[1].detectors.get_mut("fashion-cnn").unwrap();
    let other = Measured { id: "kid".into(), value: 0.0125, sd: Some(0.001), ..result.metrics[0].clone() };
    result.metrics.push(other);
    let text = terminal(&runs);
    assert!(text.lines().next().unwrap().contains("floor (images)   KID (fashion-cnn)   images/s"), "{text}");
    assert!(text.lines().nth(2).unwrap().contains("0.0125 ± 0.0010"), "{text}");
    assert!(text.lines().nth(1).unwrap().contains("–"), "{text}");
}

#[test]
fn an_unmeasured_run_has_dashes() {
    let mut run = run("plain", 1.0, 0.0, 0.0);
    let result = run.detectors.get_mut("fashion-cnn").unwrap();
    *result = DetectorResult { rank_deficient: true, ..DetectorResult::default() };
    let text = terminal(&[run]);
    assert!(text.lines().nth(1).unwrap().contains(" – *                –"), "{text}");
    assert!(text.contains("rank-deficient"));
}

fn pixels(png: &[u8]) -> (usize, usize, Vec<u8>) {
    let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    assert_eq!(info.color_type, png::ColorType::Rgb);
    (info.width as usize, info.height as usize, pixels)
}

const BAND: [u8; 3] = [0xb4, 0xae, 0xa4];

#[test]
fn sheets_enlarge_and_stack() {
    let grey = |shade: u8| Some(Picture { shape: [1, 28, 28], pixels: vec![shade; 28 * 28] });
    let panels = [vec![vec![grey(10), grey(20)], vec![grey(30), None]], vec![vec![grey(200), grey(250)]]];
    let (width, height, pixels) = pixels(&sheet::png(&panels).unwrap());
    // Cells of 3 · 28 = 84 and gutters of 2; panels of two rows and of one, and 8 between them.
    assert_eq!((width, height), (2 + 2 * 86, 2 + 2 * 86 + 8 + 2 + 86));
    let at = |y: usize, x: usize| &pixels[(y * width + x) * 3..][..3];
    let ink = [0x2b, 0x2b, 0x31];
    assert_eq!((at(0, 0), at(2, 2), at(85, 85)), (&ink[..], &[10; 3][..], &[10; 3][..]));
    assert_eq!(
        (at(86, 2), at(2, 88), at(88, 2), at(88, 88)),
        (&ink[..], &[20; 3][..], &[30; 3][..], &ink[..])
    );
    assert_eq!((at(173, 2), at(174, 2), at(181, 2), at(182, 2)), (&ink[..], &BAND[..], &BAND[..], &ink[..]));
    assert_eq!((at(184, 2), at(184, 88)), (&[200; 3][..], &[250; 3][..]));
}

#[test]
fn sheets_show_colour_and_reduce_what_is_large() {
    let mut colour = vec![10; 256 * 256];
    colour.extend(vec![20; 256 * 256]);
    // Blue alternates: averaged by twos it is even.
    colour.extend((0..256 * 256).map(|i| if i % 2 == 0 { 0 } else { 100 }));
    let picture = Picture { shape: [3, 256, 256], pixels: colour };
    let (width, height, pixels) = pixels(&sheet::png(&[vec![vec![Some(picture)]]]).unwrap());
    assert_eq!((width, height), (132, 132));
    assert_eq!(&pixels[(2 * width + 2) * 3..][..3], &[10, 20, 50]);
}

#[test]
fn sheets_refuse_what_they_cannot_show() {
    let picture = |shape: [usize; 3]| Some(Picture { shape, pixels: vec![0; shape.iter().product()] });
    let refused = |row: Vec<Option<Picture>>| sheet::png(&[vec![row]]).unwrap_err();
    assert_eq!(refused(vec![picture([4, 8, 8])]), SheetError::Shape([4, 8, 8]));
    assert_eq!(refused(vec![picture([1, 8, 8]), picture([1, 9, 8])]), SheetError::Shape([1, 9, 8]));
    assert_eq!(refused(vec![picture([1, 0, 0])]), SheetError::Shape([1, 0, 0]));
    assert_eq!(refused(vec![None]), SheetError::Empty);
}

#[test]
fn the_first_ten_seeds_of_each_class_are_picked() {
    let mut picker = Picker::default();
    for seed in 0..1000 {
        assert!(!picker.is_full(), "{seed}");
        picker.add(seed, (seed * 7 % 10) as i64);
        if picker.is_full() {
            assert_eq!(seed, 99);
            break;
        }
    }
    let rows = picker.rows();
    assert_eq!(rows.iter().map(|row| row.label).collect::<Vec<_>>(), (0..10).collect::<Vec<_>>());
    assert_eq!(rows[7].seeds, (0..10).map(|i| 1 + 10 * i).collect::<Vec<_>>());

    let mut single = Picker::default();
    (0..250).for_each(|seed| single.add(seed, -1));
    let rows = single.rows();
    assert_eq!((rows.len(), rows[9].seeds.first(), rows[9].seeds.len()), (10, Some(&90), 10));

    let mut sparse = Picker::default();
    [(5, 30), (6, 2), (7, 30), (8, 1)].into_iter().for_each(|(seed, label)| sparse.add(seed, label));
    let rows: Vec<(i64, Vec<u64>)> = sparse.rows().into_iter().map(|row| (row.label, row.seeds)).collect();
    assert_eq!(rows, [(1, vec![8]), (2, vec![6]), (30, vec![5, 7])]);
}
