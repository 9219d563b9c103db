//! The receipt's reader meets whatever a store may hold.

use fidelis_contract::receipt::Receipt;
use proptest::prelude::*;

fn receipt() -> Receipt {
    let digest = "1f".repeat(32);
    let text = format!(
        r#"{{"version":1,"run":"demo-0123456789abcdef","chunk":3,"spec_digest":"{digest}","seeds":"6-7",
        "objects":{{"features-fashion-cnn":{{"sha256":"{digest}","num_bytes":1200,"dtype":"f32","shape":[2,128]}}}},
        "noise_sha256":"{digest}","device":"cpu","worker":"w1","micro_batch":64,"seconds":1.5,"attempt":1}}"#
    );
    Receipt::from_json(text.as_bytes()).unwrap()
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
