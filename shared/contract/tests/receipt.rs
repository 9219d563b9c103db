//! The receipt's reader meets whatever a store may hold.

use std::collections::BTreeMap;

use fidelis_contract::{
    ids::Digest,
    payload::Dtype,
    receipt::{FIRST_ARITHMETIC, Receipt, StoredObject, VERSION},
};
use proptest::prelude::*;

fn receipt() -> Receipt {
    let object =
        StoredObject { sha256: Digest([1; 32]), num_bytes: 1200, dtype: Dtype::F32, shape: vec![2, 128] };
    Receipt {
        version: VERSION,
        arithmetic: FIRST_ARITHMETIC,
        run: "demo-0123456789abcdef".parse().unwrap(),
        chunk: 3,
        spec_digest: Digest([2; 32]),
        seeds: "6-7".parse().unwrap(),
        unreadable: Vec::new(),
        files: Default::default(),
        objects: BTreeMap::from([("features-fashion-cnn".parse().unwrap(), object)]),
        noise_sha256: Digest([3; 32]),
        device: "cpu".into(),
        maker: None,
        worker: "w1".into(),
        micro_batch: 64,
        seconds: 1.5,
        attempt: 1,
    }
}

proptest! {
    #[test]
    fn damaged_bytes_are_refused_or_read(
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = receipt().to_json().unwrap();
        for (place, byte) in edits {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        for bytes in [&bytes[..], &bytes[..cut.index(bytes.len())]] {
            if let Ok(read) = Receipt::from_json(bytes) {
                prop_assert_eq!(Receipt::from_json(&read.to_json().unwrap()).unwrap(), read);
            }
        }
    }

    #[test]
    fn any_bytes_are_refused_or_read(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Receipt::from_json(&bytes).is_err());
    }
}
