//! NumPy's legacy `RandomState`: MT19937 seeded by one number, normal values by the polar method. The ground truth is
//! defined by its draws.

const N: usize = 624;
const M: usize = 397;

/// A stream of normal values.
#[derive(Clone, Debug)]
pub struct LegacyRandom {
    key: [u32; N],
    position: usize,
    spare: Option<f64>,
}

impl LegacyRandom {
    /// As `numpy.random.RandomState(seed)`.
    pub fn new(seed: u32) -> Self {
        let mut key = [seed; N];
        for i in 1..N {
            let last = key[i - 1] ^ (key[i - 1] >> 30);
            key[i] = last.wrapping_mul(1_812_433_253).wrapping_add(i as u32);
        }
        Self { key, position: N, spare: None }
    }

    /// As `randn()`.
    pub fn randn(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        loop {
            let [x, y] = [(); 2].map(|()| 2.0 * self.uniform() - 1.0);
            let square = x * x + y * y;
            if square < 1.0 && square != 0.0 {
                let factor = (-2.0 * square.ln() / square).sqrt();
                self.spare = Some(factor * x);
                return factor * y;
            }
        }
    }

    /// 53 random bits in [0, 1).
    fn uniform(&mut self) -> f64 {
        let (high, low) = (self.word() >> 5, self.word() >> 6);
        (f64::from(high) * 67_108_864.0 + f64::from(low)) / 9_007_199_254_740_992.0
    }

    fn word(&mut self) -> u32 {
        if self.position == N {
            self.twist();
        }
        let mut y = self.key[self.position];
        self.position += 1;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c_5680;
        y ^= (y << 15) & 0xefc6_0000;
        y ^ (y >> 18)
    }

    fn twist(&mut self) {
        for i in 0..N {
            let y = (self.key[i] & 0x8000_0000) | (self.key[(i + 1) % N] & 0x7fff_ffff);
            let odd = if y & 1 == 1 { 0x9908_b0df } else { 0 };
            self.key[i] = self.key[(i + M) % N] ^ (y >> 1) ^ odd;
        }
        self.position = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `numpy.random.RandomState(0).randn(3)`, as NumPy's documentation prints it everywhere.
    #[test]
    fn draws_are_numpys() {
        let mut random = LegacyRandom::new(0);
        for expected in [1.764_052_345_967_664, 0.400_157_208_367_223_3, 0.978_737_984_105_739_2] {
            assert!((random.randn() - expected).abs() < 1e-14);
        }
    }
}
