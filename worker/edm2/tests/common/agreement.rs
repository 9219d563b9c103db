//! How close something came to what it should be.

use tch::{Device, Kind, Tensor};

/// One comparison.
#[derive(Clone, Debug)]
pub struct Agreement {
    pub what: String,
    /// How far off: of tensors the largest difference over the largest magnitude.
    pub off: f64,
    /// How far it may be.
    pub tolerance: f64,
}

impl Agreement {
    /// Of two tensors of one shape, on any device.
    ///
    /// # Panics
    /// The shapes differ.
    pub fn of(what: impl Into<String>, found: &Tensor, expected: &Tensor, tolerance: f64) -> Self {
        let what = what.into();
        assert_eq!(found.size(), expected.size(), "{what}");
        let [found, expected] = [found, expected].map(|t| t.to_device(Device::Cpu).to_kind(Kind::Double));
        let off = (found - &expected).abs().max().double_value(&[]);
        Self { what, off: off / expected.abs().max().double_value(&[]), tolerance }
    }

    /// Of what must be the same.
    pub fn exact(what: impl Into<String>, same: bool) -> Self {
        Self { what: what.into(), off: f64::from(u8::from(!same)), tolerance: 0.0 }
    }

    pub fn holds(&self) -> bool {
        self.off <= self.tolerance
    }
}

/// Prints all, and fails with those that do not hold.
pub fn agree(all: &[Agreement]) {
    all.iter().for_each(|one| println!("{}: {:.2e}", one.what, one.off));
    let failed: Vec<_> = all.iter().filter(|one| !one.holds()).collect();
    assert!(failed.is_empty() && !all.is_empty(), "{failed:#?}");
}
