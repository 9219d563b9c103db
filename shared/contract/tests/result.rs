//! Results as they were stored, in every layout that this build reads.

use fidelis_contract::result::{DetectorResult, Measured, Method, Reference, RunResult, SCHEMA};

/// As a build of schema 1 stored it.
const FIRST: &str = include_str!("fixtures/result-schema-1.json");

#[test]
fn a_result_of_the_first_schema_is_read() {
    let result = RunResult::from_json(FIRST.as_bytes()).unwrap();
    assert_eq!((result.schema, result.num_images, result.timing.workers), (SCHEMA, 8, 1));
    let method = Method::Frechet { blocks: 4, clipped_mass: 0.0, sigma_clipped_mass: None };
    let distance = Measured {
        id: "fd".into(),
        value: 1469.805670286838,
        sd: Some(50.86739878079692),
        method,
        num_images: 8,
    };
    let expected = DetectorResult {
        metrics: vec![distance],
        reference: Some(Reference { num_images: Some(10_000) }),
        floor: None,
        rank_deficient: true,
        published: None,
    };
    assert_eq!(result.detectors, [("fashion-cnn".to_owned(), expected)].into());
    assert_eq!(
        RunResult::from_json(&result.to_json().unwrap()).unwrap(),
        result,
        "and as this build writes it"
    );
}

/// The earliest builds knew neither floors' numbers nor published figures; a run without a reference measured nothing.
#[test]
fn what_the_first_schema_grew_later_may_be_missing() {
    let old = FIRST
        .replace(",\n      \"published\": null", "")
        .replace("      \"floor_images\": null,\n", "")
        .replace("1469.805670286838", "null");
    assert_eq!(old.lines().count() + 2, FIRST.lines().count());
    let result = RunResult::from_json(old.as_bytes()).unwrap();
    let detector = &result.detectors["fashion-cnn"];
    assert_eq!((detector.value(), detector.reference, detector.rank_deficient), (None, None, true));
}

#[test]
fn a_later_schema_is_refused_by_its_number() {
    let later = FIRST.replacen('{', "{\n  \"schema\": 3,", 1);
    let error = RunResult::from_json(later.as_bytes()).unwrap_err().to_string();
    assert!(error.contains("schema is `3`") && error.contains("up to `2`"), "{error}");
}
