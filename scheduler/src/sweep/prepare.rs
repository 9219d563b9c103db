//! From a sweep as somebody means it to runs that can be made: before anything is queued, every cell is looked at.

use std::{
    collections::{BTreeMap, HashSet},
    path::Path,
    sync::Arc,
};

use fidelis_contract::{
    detectors,
    ids::{RunId, SweepId},
    run::Run,
    spec::{DetectorSpec, FileRef, ResolvedSpec, RunSpec},
    sweep::{
        Axis, AxisName, AxisValue, Between, Budget, Listed, Point, SCHEMA, Setting, SweepSpec, cell, ema_of,
        line, points, settings, with_ema,
    },
};
use fidelis_fleet::files::{Depth, Files, Progress};
use fidelis_metrics::Gaussian;

use super::{SweepRunError, halving};
use crate::{
    conduct::{self, PrepareError},
    reduce,
};

/// A sweep as somebody means it.
#[derive(Debug, Clone, PartialEq)]
pub struct SweepRequest {
    /// What it is called.
    pub name: String,
    /// What cells have in common; its paths are absolute.
    pub base: RunSpec,
    /// In the order of the grid's loops.
    pub axes: Vec<Axis>,
    /// The id of a distance; may be left out where there is one detector.
    pub metric: Option<String>,
    /// The detector, where several have this metric.
    pub detector: Option<String>,
    /// Rounds of finer grids.
    pub refine: u32,
    /// All images of every cell.
    pub full: bool,
    /// What it may cost.
    pub budget: Option<Budget>,
}

/// A cell that can be made.
#[derive(Debug, Clone)]
pub struct Cell {
    /// Its place in the grid; one of several, where nothing guides.
    pub point: Point,
    /// What it is told by.
    pub settings: BTreeMap<AxisName, Setting>,
    /// What it is.
    pub run: Run,
    /// 0 for the first grid.
    pub round: u32,
}

/// A sweep that can be made.
#[derive(Debug)]
pub struct Sweep {
    /// Its name and content.
    pub id: SweepId,
    /// What decides its table.
    pub spec: SweepSpec,
    /// The first grid.
    pub cells: Vec<Cell>,
    /// Chunks of each look.
    pub(super) looks: Vec<u32>,
    pub(super) reference: Arc<Gaussian>,
    pub(super) grid: Grid,
}

/// Makes cells.
#[derive(Debug)]
pub(super) struct Grid {
    pub base: RunSpec,
    pub axes: Vec<Axis>,
    /// Sets of files that were found to fit each other.
    fitting: HashSet<String>,
}

/// Makes a sweep ready: every file at hand, hashed and found to fit, every cell a run.
///
/// # Errors
/// Whatever is wrong with it, with the cell it is wrong with.
pub async fn prepare(
    request: SweepRequest,
    files: &Files,
    progress: Progress<'_>,
) -> Result<Sweep, SweepRunError> {
    let SweepRequest { name, base, axes, metric, detector, refine, full, budget } = request;
    let chosen = choose(&base, metric.as_deref(), detector.as_deref())?.clone();
    let axes = axes.iter().map(|axis| of_files(axis, &axes)).collect::<Result<Vec<Axis>, _>>()?;
    let points = points(&axes)?;
    let mut grid = Grid { base, axes, fitting: HashSet::new() };
    let cells = grid.cells(points, (0, &HashSet::new()), (files, progress)).await?;
    let Some(first) = cells.first() else { return Err(fidelis_contract::sweep::SweepError::Empty.into()) };
    let looks = halving::looks(first.run.plan.num_chunks(), full);
    let spec = SweepSpec {
        schema: SCHEMA,
        name,
        metric: detectors::Metric::of(&chosen.name).id().to_owned(),
        detector: chosen.name.clone(),
        looks: looks.iter().map(|chunks| first.run.first(*chunks).plan.num_images()).collect(),
        refine,
        budget_images: if let Some(Budget::Images(images)) = budget { Some(images) } else { None },
        axes: Listed::all(&grid.axes),
        cells: cells.iter().map(|cell| cell.run.id.clone()).collect(),
    };
    let reference = Arc::new(reference(&first.run.spec, &chosen.name, (files, progress)).await?);
    Ok(Sweep { id: spec.id()?, spec, cells, looks, reference, grid })
}

impl Grid {
    /// The cells of some points, each run once, without those that are known already.
    ///
    /// # Errors
    /// The first cell that cannot run.
    pub async fn cells(
        &mut self,
        points: Vec<Point>,
        (round, known): (u32, &HashSet<RunId>),
        (files, progress): (&Files, Progress<'_>),
    ) -> Result<Vec<Cell>, SweepRunError> {
        let (mut cells, mut seen) = (Vec::<Cell>::new(), known.clone());
        for point in points {
            let spec = cell(&self.base, &self.axes, &point)?;
            let settings = settings(&self.axes, &point, &spec);
            let resolved = self.resolved(spec, files, progress).await;
            let resolved = resolved
                .map_err(|source| SweepRunError::Cell { cell: line(&settings), source: Box::new(source) })?;
            let run = Run::new(resolved);
            if seen.insert(run.id.clone()) {
                cells.push(Cell { point, settings, run, round });
            }
        }
        Ok(cells)
    }

    /// What there is between the values of the axes, around a point.
    pub fn between(&self, point: &Point) -> Between {
        let spec = cell(&self.base, &self.axes, point).ok();
        let model = spec.as_ref().and_then(|spec| spec.engine.edm2());
        let beside = |axis: AxisName, file: Option<&FileRef>| {
            file.filter(|_| self.axes.iter().any(|known| known.name == axis))
                .map_or_else(Vec::new, emas_beside)
        };
        let sampler = &self.base.engine.sampling().sampler;
        Between {
            noise: [sampler.sigma_min, sampler.sigma_max],
            net_emas: beside(AxisName::NetEma, model.map(|model| &model.net)),
            gnet_emas: beside(AxisName::GnetEma, model.and_then(|model| model.gnet.as_ref())),
        }
    }

    /// Whether files fit each other is found out once for each set of them.
    async fn resolved(
        &mut self,
        spec: RunSpec,
        files: &Files,
        progress: Progress<'_>,
    ) -> Result<ResolvedSpec, PrepareError> {
        let named: Vec<String> =
            spec.files().into_iter().map(|(field, file)| format!("{field} {}", file.path)).collect();
        let named = named.join("\n");
        if self.fitting.contains(&named) {
            return Ok(files.resolve(spec, Depth::Content, progress).await?);
        }
        let resolved = conduct::prepare(spec, None, files, progress).await?;
        self.fitting.insert(named);
        Ok(resolved)
    }
}

/// The detector that cells are compared by.
fn choose<'a>(
    base: &'a RunSpec,
    metric: Option<&str>,
    detector: Option<&str>,
) -> Result<&'a DetectorSpec, SweepRunError> {
    let known = detectors::Metric::ALL.map(detectors::Metric::id).join("`, `");
    let of = |of: &DetectorSpec| detectors::Metric::of(&of.name).id();
    if let Some(metric) = metric.filter(|metric| detectors::Metric::find(metric).is_none()) {
        let text = format!("unknown metric `{metric}`: cells are compared by a distance, one of `{known}`");
        return Err(SweepRunError::Metric(text));
    }
    let fits = |it: &&DetectorSpec| {
        metric.is_none_or(|metric| of(it) == metric) && detector.is_none_or(|detector| it.name == detector)
    };
    let fitting: Vec<&DetectorSpec> = base.detectors.iter().filter(fits).collect();
    let names: Vec<&str> = base.detectors.iter().map(|it| it.name.as_str()).collect();
    let has = if names.is_empty() { "no detector".to_owned() } else { format!("`{}`", names.join("`, `")) };
    match fitting[..] {
        [one] if one.reference.is_some() => Ok(one),
        [one] => Err(SweepRunError::Metric(format!(
            "the detector `{}` of the spec `{}` has no `reference` to measure a distance to: add one",
            one.name, base.name
        ))),
        [] => Err(SweepRunError::Metric(format!(
            "the spec `{}` has {has}, and none of that metric: add one, or choose by `--metric`",
            base.name
        ))),
        _ => Err(SweepRunError::Metric(format!(
            "the spec `{}` has {has}: say which counts by `--metric` or `--detector`",
            base.name
        ))),
    }
}

/// The reference statistics, on this machine.
async fn reference(
    spec: &ResolvedSpec,
    detector: &str,
    (files, progress): (&Files, Progress<'_>),
) -> Result<Gaussian, SweepRunError> {
    let wanted = |field: &str, file: &FileRef| file.is_url() && field.ends_with(".reference");
    let local = files.localized(spec, wanted, progress).await?;
    let of = local.detectors.iter().find(|of| of.name == detector);
    let found = match of {
        Some(of) => reduce::reference(of).await?,
        None => None,
    };
    found.ok_or_else(|| SweepRunError::Internal(format!("no reference of `{detector}`")))
}

/// The axis with a file in the place of each folder: that of its first EMA length, of which the others are siblings.
fn of_files(axis: &Axis, axes: &[Axis]) -> Result<Axis, SweepRunError> {
    let ema = match axis.name {
        AxisName::Net => AxisName::NetEma,
        AxisName::Gnet => AxisName::GnetEma,
        _ => return Ok(axis.clone()),
    };
    let std = axes.iter().find(|other| other.name == ema).and_then(|axis| axis.values.first());
    let mut axis = axis.clone();
    for value in &mut axis.values {
        let AxisValue::File { file, .. } = value else { continue };
        if file.is_url() || !Path::new(&file.path).is_dir() {
            continue;
        }
        let refuse = |problem: String| SweepRunError::Folder { axis: axis.name.to_string(), problem };
        let Some(AxisValue::Number(std)) = std else {
            return Err(refuse(format!(
                "`{}` is a folder: give `{ema}` the EMA lengths, or name a file",
                file.path
            )));
        };
        *file = in_folder(&file.path, *std, &ema).map_err(refuse)?;
    }
    Ok(axis)
}

/// The EMA lengths of the files beside one, its own among them; none where it lies far away.
fn emas_beside(file: &FileRef) -> Vec<f64> {
    let folder = Path::new(&file.path).parent().filter(|_| !file.is_url());
    let listed = folder.and_then(|folder| std::fs::read_dir(folder).ok());
    let paths = listed.into_iter().flatten().flatten().map(|entry| entry.path().display().to_string());
    let is_sibling = |path: &str, std: f64| {
        with_ema(&AxisName::NetEma, file, std).is_ok_and(|sibling| sibling.path == path)
    };
    let mut emas: Vec<f64> =
        paths.filter_map(|path| ema_of(&path).filter(|std| is_sibling(&path, *std))).collect();
    emas.sort_by(f64::total_cmp);
    emas
}

/// The one net of a folder that has an EMA length.
fn in_folder(folder: &str, std: f64, ema: &AxisName) -> Result<FileRef, String> {
    let listed = std::fs::read_dir(folder).map_err(|error| format!("cannot read `{folder}`: {error}"))?;
    let mut found: Vec<String> = Vec::new();
    for entry in listed.flatten() {
        let path = entry.path().display().to_string();
        // A file that has this length is its own sibling of it.
        if with_ema(ema, &FileRef::new(&path), std).is_ok_and(|sibling| sibling.path == path) {
            found.push(path);
        }
    }
    found.sort();
    match &found[..] {
        [one] => Ok(FileRef::new(one)),
        [] => Err(format!(
            "`{folder}` has no net whose name ends in `-{std:.3}`: make it with `fidelis-worker phema`"
        )),
        [first, second, ..] => Err(format!(
            "`{folder}` has several of EMA length {std:.3}, `{first}` and `{second}` among them: name a file"
        )),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn axis(name: &str, value: serde_json::Value) -> Axis {
        Axis::parse(name.parse().unwrap(), &value).unwrap()
    }

    #[test]
    fn lengths_beside_a_net_are_those_of_its_own_name() {
        let folder = tempfile::tempdir().unwrap();
        for name in
            ["g-0000016-0.100.pkl", "g-0000016-0.050.pkl", "g-0000032-0.070.pkl", "g-0000016-0.080.npz"]
        {
            std::fs::write(folder.path().join(name), b"net").unwrap();
        }
        let file = |name: &str| FileRef::new(folder.path().join(name).display().to_string());
        assert_eq!(emas_beside(&file("g-0000016-0.050.pkl")), [0.05, 0.1]);
        assert_eq!(emas_beside(&FileRef::new("https://there/g-0000016-0.050.pkl")), Vec::<f64>::new());
        // Where nothing guides, there is no guiding net whose lengths would matter.
        let text = format!(
            "name = \"n\"\nseeds = \"0-9\"\nnet = \"/n/net.pkl\"\ngnet = \"{}\"\nguidance = 1.2\noutputs = {{ latents = true }}\n",
            file("g-0000016-0.050.pkl").path
        );
        let base = RunSpec::from_toml(&text, "base").unwrap();
        let axes = vec![axis("gnet_ema", json!([0.05])), axis("guidance", json!([1, 1.2]))];
        let grid = Grid { base, axes, fitting: HashSet::new() };
        let of = |w: f64| grid.between(&vec![AxisValue::Number(0.05), AxisValue::Number(w)]);
        assert_eq!((of(1.2).gnet_emas, of(1.0).gnet_emas), (vec![0.05, 0.1], vec![]));
        assert_eq!((of(1.2).net_emas, of(1.2).noise), (vec![], [0.002, 80.0]));
    }

    #[test]
    fn a_folder_is_the_net_of_each_ema_length_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let make = |name: &str| std::fs::write(folder.path().join(name), b"net").unwrap();
        for name in ["phema-0025165-0.050.safetensors", "phema-0025165-0.100.safetensors", "stats.jsonl"] {
            make(name);
        }
        let nets = axis("gnet", json!(folder.path().display().to_string()));
        let chosen = |ema: &str| {
            let found = of_files(&nets, &[nets.clone(), axis("gnet_ema", json!(ema))]);
            found.map(|axis| match &axis.values[0] {
                AxisValue::File { file, .. } => file.name().to_owned(),
                other => format!("{other:?}"),
            })
        };
        assert_eq!(chosen("0.1,0.05").unwrap(), "phema-0025165-0.100.safetensors");
        let none = chosen("0.2").unwrap_err().to_string();
        assert!(none.contains("axis `gnet`") && none.contains("ends in `-0.200`"), "{none}");
        make("phema-0050331-0.100.safetensors");
        let several = chosen("0.1").unwrap_err().to_string();
        assert!(several.contains("has several of EMA length 0.100"), "{several}");
        let alone = of_files(&nets, std::slice::from_ref(&nets)).unwrap_err().to_string();
        assert!(alone.contains("is a folder: give `gnet_ema` the EMA lengths"), "{alone}");
    }
}
