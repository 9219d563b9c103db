//! Receipts, as everybody reads them from the store.
#![no_main]

mod check;

use fidelis_contract::receipt::Receipt;
use libfuzzer_sys::fuzz_target;

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
