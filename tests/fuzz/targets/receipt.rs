//! Receipts, as everybody reads them from the store.
#![no_main]

mod check;
#[path = "../../../shared/src/exit.rs"]
#[allow(dead_code)]
mod exit;
#[path = "../../../shared/src/ids.rs"]
#[allow(dead_code)]
mod ids;
#[path = "../../../shared/src/kind.rs"]
#[allow(dead_code)]
mod kind;
#[path = "../../../shared/src/payload/mod.rs"]
#[allow(dead_code, unused_imports)]
mod payload;
#[path = "../../../shared/src/receipt.rs"]
#[allow(dead_code)]
mod receipt;
#[path = "../../../shared/src/seeds.rs"]
#[allow(dead_code)]
mod seeds;
#[path = "../../../shared/src/text.rs"]
#[allow(dead_code, unused)]
mod text;

use libfuzzer_sys::fuzz_target;
use receipt::Receipt;

fuzz_target!(|data: &[u8]| {
    match Receipt::from_json(data) {
        Ok(receipt) => {
            let bytes = receipt.to_json().unwrap();
            assert!(bytes.iter().position(|byte| *byte == b'\n') == Some(bytes.len() - 1));
            let again = Receipt::from_json(&bytes).unwrap();
            assert_eq!(again, receipt);
            assert_eq!(again.to_json().unwrap(), bytes);
        }
        Err(error) => check::line(error),
    }
});
