use super::*;
use crate::exit;
use crate::outcome::Outcome;
use crate::receipt::{Unreadable, tests::sample};
use crate::spec::{ResolvedSpec, RunSpec};
use proptest::prelude::*;

fn run(seeds: &str, chunk_size: u32, more: &str) -> Run {
    let digest = Digest::of(b"weights");
    let text = format!(
        "name = \"demo\"\nengine = \"dataset\"\nseeds = \"{seeds}\"\nchunk_size = {chunk_size}\n{more}\n\
         data = {{ path = \"d\", sha256 = \"{digest}\" }}\n[[detectors]]\nname = \"fashion-cnn\"\n\
         weights = {{ path = \"w\", sha256 = \"{digest}\" }}"
    );
    Run::new(ResolvedSpec::new(RunSpec::from_toml(&text, "test").unwrap()).unwrap())
}

/// The receipts that honest workers would leave.
fn receipts(run: &Run) -> Vec<StoredReceipt> {
    let stored = run.plan.chunks().map(|chunk| {
        let (run, spec_digest) = (run.id.clone(), run.spec.digest());
        let mut receipt =
            Receipt { run, spec_digest, chunk: chunk.index, seeds: chunk.seeds.clone(), ..sample() };
        receipt.objects.values_mut().for_each(|object| object.shape[0] = chunk.seeds.len() as usize);
        StoredReceipt { sha256: Digest::of(&receipt.to_json().unwrap()), receipt }
    });
    stored.collect()
}

fn refusal(change: impl FnOnce(&mut Vec<StoredReceipt>)) -> ManifestError {
    let run = run("0-7", 3, "");
    let mut receipts = receipts(&run);
    change(&mut receipts);
    Manifest::build(&run, &receipts).unwrap_err()
}

/// Written entry by entry, it is what it is as a whole.
#[test]
fn the_bytes_are_those_of_the_whole_in_the_order_of_names() {
    let run = run("0-7", 3, "");
    let whole = Manifest::build(&run, &receipts(&run)).unwrap();
    for manifest in [Manifest { chunks: Vec::new(), ..whole.clone() }, whole] {
        let text = serde_json::json!(manifest).to_string() + "\n";
        assert_eq!(String::from_utf8(manifest.to_json()).unwrap(), text);
    }
}

#[test]
fn an_unfinished_run_is_incomplete_and_says_where() {
    let error = refusal(|receipts| drop(receipts.drain(1..)));
    assert_eq!(
        error.to_string(),
        "2 of 3 chunks have no receipt, the first is chunk `1`: submit the run again to make them"
    );
    assert_eq!((error.is_retryable(), error.exit_code()), (true, exit::INCOMPLETE));
}

#[test]
fn receipts_that_contradict_the_plan_are_integrity_failures() {
    let features: Kind = "features-fashion-cnn".parse().unwrap();
    let cases = [
        refusal(|receipts| receipts.push(receipts[0].clone())),
        refusal(|receipts| receipts[1].receipt.chunk = 9),
        refusal(|receipts| receipts[1].receipt.spec_digest = Digest([9; 32])),
        refusal(|receipts| receipts[1].receipt.seeds = "3-4,6".parse().unwrap()),
        refusal(|receipts| drop(receipts[1].receipt.objects.remove(&features))),
        refusal(|receipts| {
            let object = receipts[1].receipt.objects[&features].clone();
            receipts[1].receipt.objects.insert(Kind::Images, object);
        }),
        refusal(|receipts| receipts[1].receipt.objects.values_mut().for_each(|object| object.shape[0] = 2)),
    ];
    let expected = [
        "two receipts for chunk `0`",
        "a receipt for chunk `9` where the plan has `3` chunks",
        "it is of another run or spec",
        "it names the seeds `3-4,6` where the plan has `3-5`",
        "it holds `` where the spec asks for `features-fashion-cnn`",
        "it holds `images, features-fashion-cnn` where the spec asks for `features-fashion-cnn`",
        "its `features-fashion-cnn` has shape [2, 128] for 3 seeds",
    ];
    for (error, words) in cases.iter().zip(expected) {
        assert!(error.to_string().contains(words), "`{error}` lacks `{words}`");
        assert_eq!((error.is_retryable(), error.exit_code()), (false, exit::INTEGRITY));
    }
}

#[test]
fn rows_may_lack_where_images_may_be_unreadable() {
    let (allowed, strict) = (run("0-7", 3, "allow_unreadable = true"), run("0-7", 3, ""));
    let with = |seeds: &[u64], rows: usize| {
        let mut receipts = receipts(&allowed);
        let receipt = &mut receipts[1].receipt;
        let unreadable = |&seed: &u64| Unreadable { seed, name: "n".into(), cause: "c".into() };
        receipt.unreadable = seeds.iter().map(unreadable).collect();
        receipt.objects.values_mut().for_each(|object| object.shape[0] = rows);
        receipts
    };
    let manifest = Manifest::build(&allowed, &with(&[4], 2)).unwrap();
    assert_eq!(manifest.num_images, 7);
    assert_eq!(manifest.chunks[1].rows().collect::<Vec<_>>(), [3, 5]);
    assert_eq!(Manifest::from_json(&manifest.to_json()).unwrap(), manifest);
    let of_strict = || {
        let (run, spec_digest) = (strict.id.clone(), strict.spec.digest());
        let stored = with(&[4], 2).into_iter();
        let renamed = stored.map(|StoredReceipt { receipt, sha256 }| {
            let receipt = Receipt { run: run.clone(), spec_digest, ..receipt };
            StoredReceipt { receipt, sha256 }
        });
        renamed.collect::<Vec<_>>()
    };
    for (run, receipts) in [
        (&strict, of_strict()),
        (&allowed, with(&[4], 3)),
        (&allowed, with(&[6], 2)),
        (&allowed, with(&[5, 4], 1)),
    ] {
        let error = Manifest::build(run, &receipts).unwrap_err();
        assert!(matches!(error, ManifestError::Contradiction { chunk: 1, .. }), "{error}");
    }
}

#[test]
fn bytes_come_back_and_other_versions_are_refused() {
    let run = run("0-7", 3, "");
    let manifest = Manifest::build(&run, &receipts(&run)).unwrap();
    assert_eq!(Manifest::from_json(&manifest.to_json()).unwrap(), manifest);
    let newer = Manifest { version: 2, ..manifest };
    assert!(matches!(Manifest::from_json(&newer.to_json()), Err(ManifestError::Version { version: 2 })));
    assert!(matches!(Manifest::from_json(b"{}"), Err(ManifestError::Format(_))));
}

proptest! {
    /// I1 and I3: each seed once, and the same manifest for any order of arrival.
    #[test]
    fn each_seed_once_in_any_order(num in 1_u64..200, size in 1_u32..40, order in any::<u64>()) {
        let run = run(&format!("0-{}", num - 1), size, "");
        let mut receipts = receipts(&run);
        let manifest = Manifest::build(&run, &receipts).unwrap();
        let seeds: Vec<u64> = manifest.chunks.iter().flat_map(|entry| entry.seeds.to_vec()).collect();
        prop_assert_eq!(seeds, (0..num).collect::<Vec<u64>>());
        prop_assert_eq!(manifest.num_images, num);
        let turn = (order % receipts.len() as u64) as usize;
        receipts.rotate_left(turn);
        receipts.reverse();
        prop_assert_eq!(Manifest::build(&run, &receipts).unwrap(), manifest);
    }
}
