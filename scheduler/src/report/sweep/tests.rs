use fidelis_contract::ids::{Digest, RunId, SweepId};
use fidelis_contract::sweep::{AxisName, Behind, Ending, Listed, Row, SCHEMA, Setting, Table};

use super::{curves, heat, terminal};

fn run(name: &str) -> RunId {
    RunId::new("guided", &Digest::of(name.as_bytes())).unwrap()
}

/// A cell; a `gnet` of "" is none.
fn row(gnet: &str, ema: f64, w: f64, value: f64) -> Row {
    let mut settings = vec![(AxisName::Guidance, Setting::Number(w))];
    if !gnet.is_empty() {
        settings.push((AxisName::Gnet, Setting::File(gnet.to_owned())));
        settings.push((AxisName::GnetEma, Setting::Number(ema)));
    }
    Row {
        run: run(&format!("{gnet} {ema} {w}")),
        settings: settings.into_iter().collect(),
        round: 0,
        num_images: 256,
        value: Some(value),
        sd: Some(0.5),
        interval: Some([value - 1.1, value + 1.1]),
        stopped: false,
        behind: Some(Behind { by: value - 7.0, sd: 0.2, interval: [value - 7.5, value - 6.5] }),
        failed: None,
    }
}

fn table() -> Table {
    let mut rows = vec![row("", 0.0, 1.0, 14.0)];
    for (gnet, ema, w, value) in [
        ("early", 0.05, 1.2, 9.0),
        ("early", 0.05, 1.4, 12.0),
        ("late", 0.05, 1.2, 7.3),
        ("late", 0.05, 1.4, 40.0),
        ("late", 0.15, 1.2, 7.0),
        ("late", 0.15, 1.4, 8.0),
    ] {
        rows.push(row(gnet, ema, w, value));
    }
    (rows[4].stopped, rows[4].num_images) = (true, 64);
    (rows[5].behind, rows[6].failed, rows[6].value) =
        (None, Some("chunks `0` of 4 are dead: x".into()), None);
    let listed = |axis, values: Vec<Setting>| Listed { axis, values };
    Table {
        schema: SCHEMA,
        sweep: SweepId::new("demo", &Digest::of(b"x")).unwrap(),
        metric: "fd".into(),
        detector: "fashion-cnn".into(),
        looks: vec![64, 128, 256],
        ending: Ending::Incomplete,
        num_images: 1344,
        axes: vec![
            listed(AxisName::Gnet, ["early", "late"].map(|name| Setting::File(name.into())).to_vec()),
            listed(AxisName::GnetEma, [0.05, 0.15].map(Setting::Number).to_vec()),
            listed(AxisName::Guidance, [1.0, 1.2, 1.4].map(Setting::Number).to_vec()),
        ],
        best: Some(rows[5].run.clone()),
        not_told_apart: vec![rows[3].run.clone()],
        rows,
    }
}

#[test]
fn the_terminal_says_what_is_known_best_first() {
    let expected = "       \u{20}gnet   gnet_ema   guidance   images   FD (fashion-cnn)   behind the best
best    late       0.15        1.2      256        7.00 ± 0.50
~       late       0.05        1.2      256        7.30 ± 0.50       0.30 ± 0.20
       early       0.05        1.2      256        9.00 ± 0.50       2.00 ± 0.20
       early       0.05        1.4      256       12.00 ± 0.50       5.00 ± 0.20
           –          –          1      256       14.00 ± 0.50       7.00 ± 0.20
        late       0.15        1.4      256             failed       1.00 ± 0.20
        late       0.05        1.4     64 *       40.00 ± 0.50      33.00 ± 0.20

best: gnet late, gnet_ema 0.15, guidance 1.2 (FD (fashion-cnn) 7.00, between 5.90 and 8.10 in 95 of 100 cases; the lowest of 7, and so a little too low)

~ not told apart from it, as the interval of the difference holds 0: gnet late, gnet_ema 0.05, guidance 1.2

* worse than the best beyond chance: the rest of its images was not made
";
    let text = terminal(&table());
    assert!(text.starts_with(expected), "{text}");
    assert!(
        text.contains("failed: gnet late, gnet_ema 0.15, guidance 1.4 (run `guided-")
            && text.ends_with("1,344 images in all\n")
    );
}

#[test]
fn pictures_show_every_cell_once_for_each_net_that_could_have_guided_it() {
    let (table, count) = (table(), |svg: &str, text: &str| svg.matches(text).count());
    let svg = heat(&table).unwrap().svg();
    // One panel each of two guiding nets; the unguided cell is in all four lines.
    assert_eq!((count(&svg, ">14.00<"), count(&svg, ">7.00<"), count(&svg, ">40.00*<")), (4, 1, 1), "{svg}");
    assert!(svg.contains(">gnet early<") && svg.contains(">gnet late<") && svg.contains("stopped early"));
    let svg = curves(&table).unwrap().svg();
    for label in ["gnet early, gnet_ema 0.05", "gnet late, gnet_ema 0.15", "at the best cell", ">gnet_ema<"] {
        assert!(svg.contains(label), "{label} is not in {svg}");
    }
    assert!(heat(&table).unwrap().png().unwrap().starts_with(b"\x89PNG"));
    assert!(curves(&table).unwrap().png().unwrap().starts_with(b"\x89PNG"));
}

#[test]
fn a_csv_has_a_line_for_each_cell() {
    let csv = table().to_csv();
    let mut lines = csv.lines();
    assert_eq!(
        lines.next().unwrap(),
        "gnet,gnet_ema,guidance,run,round,num_images,value,sd,low,high,behind,behind_sd,behind_low,behind_high,stopped,best,\
         not_told_apart"
    );
    assert_eq!((lines.next().unwrap().starts_with(",,1,guided-"), lines.count()), (true, 6));
}

#[test]
fn nothing_measured_is_nothing_drawn() {
    let mut table = table();
    table.rows.iter_mut().for_each(|row| row.value = None);
    assert!(heat(&table).is_none() && curves(&table).is_none());
}
