//! Which class each picture is of.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::Path;

use anyhow::{Context, anyhow, bail};
use fidelis_formats::images::Dataset;

/// Of each image: by the names of `listed`, a file; without it as the dataset says, or where that says nothing the place of
/// its folder among the folders, sorted by name.
///
/// # Errors
/// A file of names that cannot be used, an image whose folder it does not name.
pub fn of(dataset: &Dataset, listed: Option<&Path>) -> anyhow::Result<Vec<Option<i64>>> {
    if let Some(path) = listed {
        let names = names(path)?;
        let class =
            |index| by_name(&names, &dataset.name(index)).with_context(|| format!("by `{}`", path.display()));
        return (0..dataset.len()).map(|index| class(index).map(Some)).collect();
    }
    let said: Vec<Option<i64>> = (0..dataset.len()).map(|index| dataset.label(index)).collect();
    if said.iter().any(Option::is_some) {
        return Ok(said);
    }
    let folders: Vec<Option<String>> = (0..dataset.len()).map(|index| folder(&dataset.name(index))).collect();
    let names: BTreeSet<&String> = folders.iter().flatten().collect();
    // A single folder is a place, not a class.
    if names.len() < 2 {
        return Ok(said);
    }
    let names: Vec<&String> = names.into_iter().collect();
    let place =
        |folder: &Option<String>| names.binary_search(&folder.as_ref()?).ok().map(|place| place as i64);
    Ok(folders.iter().map(place).collect())
}

/// The outermost folder of a picture's name.
fn folder(name: &str) -> Option<String> {
    let (folder, _) = name.split_once('/')?;
    Some(folder.to_owned())
}

/// The classes of a file of names: the first word of its lines, each the class of its place.
fn names(path: &Path) -> anyhow::Result<HashMap<String, i64>> {
    let shown = path.display();
    let text = fs::read_to_string(path).with_context(|| format!("cannot read `{shown}`"))?;
    let mut names = HashMap::new();
    for (place, line) in text.lines().enumerate() {
        let Some(name) = line.split_whitespace().next() else {
            bail!("`{shown}` has no name on line {}: each line names the class of its place", place + 1);
        };
        if names.insert(name.to_owned(), place as i64).is_some() {
            bail!("`{shown}` names `{name}` twice: each line names a class of its own");
        }
    }
    if names.is_empty() { Err(anyhow!("`{shown}` names no class")) } else { Ok(names) }
}

/// By any of the picture's folders, or as ImageNet calls its files: `n01440764_10026.JPEG`.
fn by_name(names: &HashMap<String, i64>, picture: &str) -> anyhow::Result<i64> {
    let (folders, file) = picture.rsplit_once('/').unwrap_or(("", picture));
    let synset = file.split_once('_').map(|(synset, _)| synset);
    let found = folders.split('/').chain(synset).find_map(|name| names.get(name));
    found
        .copied()
        .ok_or_else(|| anyhow!("`{picture}` is of no class: neither its folder nor its name begins with one"))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Pictures(tempfile::TempDir);

    impl Pictures {
        fn put(&self, name: &str, text: &str) -> std::path::PathBuf {
            let path = self.0.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            path
        }

        fn picture(&self, name: &str) {
            self.put(name, "P5 1 1 255\n0");
        }

        fn classes(&self, listed: Option<&Path>) -> anyhow::Result<Vec<Option<i64>>> {
            of(&Dataset::open(self.0.path()).unwrap(), listed)
        }
    }

    #[test]
    fn folders_are_classes_unless_there_is_one_or_the_dataset_knows_better() {
        let place = Pictures(tempfile::tempdir().unwrap());
        place.picture("n02/a.pgm");
        assert_eq!(place.classes(None).unwrap(), [None]);
        place.picture("n10/deep/b.pgm");
        place.picture("n01/c.pgm");
        let by_order = [Some(0), Some(1), Some(2)];
        assert_eq!(place.classes(None).unwrap(), by_order, "in the order of the names: n01, n02, n10");
        place.put("dataset.json", r#"{"labels": [["n02/a.pgm", 7]]}"#);
        assert_eq!(place.classes(None).unwrap(), [None, Some(7), None]);
    }

    #[test]
    fn a_file_of_names_decides() {
        let place = Pictures(tempfile::tempdir().unwrap());
        for name in ["n01/c.pgm", "n02_17.pgm", "x/n10/b.pgm"] {
            place.picture(name);
        }
        let listed = place.put("synsets.txt", "n10 a bird, a small one\nn02 fish\nn01 frog\n");
        assert_eq!(place.classes(Some(&listed)).unwrap(), [Some(2), Some(1), Some(0)]);
        place.picture("n03/d.pgm");
        let error = |text: &str| {
            let listed = place.put("synsets.txt", text);
            format!("{:#}", place.classes(Some(&listed)).unwrap_err())
        };
        assert!(error("n10\nn02\nn01\n").contains("`n03/d.pgm` is of no class"));
        assert!(error("n10\n\nn02\n").contains("no name on line 2"));
        assert!(error("n10\nn10\n").contains("`n10` twice"));
        assert!(error("").contains("names no class"));
    }
}
