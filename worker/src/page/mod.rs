//! `training.html`: how a training goes, as a page that needs nothing beside it.
//!
//! [`Paged`] stands in front of where a training's files lie: with each snapshot of the first average it makes a grid of
//! pictures, always of the same seeds, and writes the page anew; with each state the page alone. Scores are shown that others
//! leave there.

mod curve;
mod html;
mod pictures;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use fidelis_contract::keys::SCORES;
use fidelis_edm2::train::{Outdir, OutdirError};

pub use pictures::Studio;

/// The page's name, and what begins the names of pictures.
pub const PAGE: &str = "training.html";
const PICTURES: &str = "samples-";
const STATS: &str = "stats.jsonl";
/// Grids that a page shows: the first, the last, and some between.
const SHOWN: usize = 6;

/// Files as they are, with pictures and a page beside them.
pub struct Paged<'a> {
    files: &'a dyn Outdir,
    /// Says what is trained, in one line.
    title: String,
    /// The last part of the names of the snapshots that are sampled: `-0.050.safetensors`.
    suffix: String,
    /// Where pictures come from; none for nets whose output nothing here makes pixels of.
    studio: Option<Mutex<Studio>>,
}

impl<'a> Paged<'a> {
    /// In front of `files`; pictures are of the average of width `sigma_rel`.
    pub fn new(files: &'a dyn Outdir, title: String, sigma_rel: f64, studio: Option<Studio>) -> Self {
        let suffix = format!("-{sigma_rel:.3}.safetensors");
        Self { files, title, suffix, studio: studio.map(Mutex::new) }
    }

    /// Nothing but the page depends on it: what goes wrong is told and forgotten.
    fn show(&self, name: &str, bytes: &[u8]) {
        let is_snapshot = name.starts_with("network-snapshot-") && name.ends_with(&self.suffix);
        if let (true, Some(studio)) = (is_snapshot, &self.studio) {
            let kimg = name.trim_start_matches("network-snapshot-").trim_end_matches(&self.suffix);
            let png = studio.lock().unwrap_or_else(PoisonError::into_inner).png(bytes);
            let written = png.and_then(|png| Ok(self.files.write(&format!("{PICTURES}{kimg}.png"), &png)?));
            if let Err(error) = written {
                tracing::warn!("no pictures of `{name}`: {error:#}");
            }
        }
        if is_snapshot || name.starts_with("training-state-") {
            let page = self.page().and_then(|page| self.files.write(PAGE, page.as_bytes()));
            if let Err(error) = page {
                tracing::warn!("the page `{PAGE}` was not written: {error}");
            }
        }
    }

    fn page(&self) -> Result<String, OutdirError> {
        let names = self.files.list()?;
        let lines = |file: &str| match names.iter().any(|name| name == file) {
            true => self.files.read(file),
            false => Ok(Vec::new()),
        };
        let (stats, scores) = (lines(STATS)?, lines(SCORES)?);
        let kimg = |name: &String| -> Option<(u64, String)> {
            let digits = name.strip_prefix(PICTURES)?.strip_suffix(".png")?;
            Some((digits.parse().ok()?, name.clone()))
        };
        let mut grids: Vec<(u64, String)> = names.iter().filter_map(kimg).collect();
        grids.sort();
        let shown = spread(grids.len());
        let grids: Vec<(u64, Vec<u8>)> = shown
            .map(|at| Ok((grids[at].0, self.files.read(&grids[at].1)?)))
            .collect::<Result<_, OutdirError>>()?;
        Ok(html::page(&self.title, [&stats, &scores].map(|lines| html::rows(lines)), &grids))
    }
}

/// At most [`SHOWN`] of `len` places: the first, the last, and those between at equal distances.
fn spread(len: usize) -> impl Iterator<Item = usize> {
    let shown = len.min(SHOWN);
    (0..shown).map(move |i| if shown < 2 { 0 } else { i * (len - 1) / (shown - 1) })
}

impl fmt::Debug for Paged<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Paged").field(&self.files).finish()
    }
}

impl Outdir for Paged<'_> {
    fn list(&self) -> Result<Vec<String>, OutdirError> {
        self.files.list()
    }

    fn read(&self, name: &str) -> Result<Vec<u8>, OutdirError> {
        self.files.read(name)
    }

    fn begin(&self, name: &str, num_bytes: usize) -> Result<(u64, Vec<u8>), OutdirError> {
        self.files.begin(name, num_bytes)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), OutdirError> {
        self.files.write(name, bytes)?;
        self.show(name, bytes);
        Ok(())
    }

    fn remove(&self, name: &str) -> Result<(), OutdirError> {
        self.files.remove(name)
    }

    fn place(&self, name: &str) -> PathBuf {
        self.files.place(name)
    }
}

#[cfg(test)]
mod tests {
    use fidelis_edm2::train::Folder;

    use super::*;

    #[test]
    fn the_first_and_the_last_grid_are_shown() {
        let of = |len| spread(len).collect::<Vec<_>>();
        assert_eq!((of(0), of(1), of(2)), (vec![], vec![0], vec![0, 1]));
        assert_eq!(of(6), [0, 1, 2, 3, 4, 5]);
        assert_eq!(of(11), [0, 2, 4, 6, 8, 10]);
    }

    #[test]
    fn a_page_is_written_with_each_snapshot_and_state() {
        let folder = tempfile::tempdir().unwrap();
        let files = Folder::new(folder.path()).unwrap();
        let paged = Paged::new(&files, "a <net>".to_owned(), 0.05, None);
        paged
            .write(STATS, b"{\"step\":1,\"images\":10,\"loss\":2.5,\"lr\":0.0,\"images_per_s\":7}\nbroken")
            .unwrap();
        let page = || std::fs::read_to_string(folder.path().join(PAGE));
        paged.write("network-snapshot-0000000-0.100.safetensors", b"").unwrap();
        assert!(page().is_err(), "of the other average");
        paged.write("network-snapshot-0000000-0.050.safetensors", b"").unwrap();
        assert!(page().unwrap().contains("a &lt;net&gt;"));
        files.write("samples-0000007.png", b"png").unwrap();
        paged.write("training-state-0000000.safetensors", b"").unwrap();
        assert!(!page().unwrap().contains("Distance"));
        let score = |images, value| {
            let of = r#""detector":"inception","metric":"fid","sigma_rel":0.05"#;
            format!("{{\"images\":{images},\"value\":{value},{of}}}\n")
        };
        files.write(SCORES, (score(1000, 9.5) + &score(2000, 3.5)).as_bytes()).unwrap();
        paged.write("training-state-0000001.safetensors", b"").unwrap();
        let page = page().unwrap();
        assert!(
            page.contains("Distance to the real images") && page.contains("fid (inception), σ_rel 0.05"),
            "{page}"
        );
        assert!(page.contains("data:image/png;base64,cG5n") && page.contains("7 thousand images"), "{page}");
        assert_eq!(paged.list().unwrap().len(), 8);
    }
}
