//! NumPy's `RandomState`, for choices that other tools can make again.

/// Matsumoto and Nishimura's Mersenne Twister, drawn from as NumPy does.
#[derive(Clone, Debug)]
pub struct RandomState {
    state: [u32; Self::N],
    next: usize,
}

impl RandomState {
    const N: usize = 624;

    /// `numpy.random.RandomState(seed)`.
    pub fn new(seed: u32) -> Self {
        let mut state = [seed; Self::N];
        for i in 1..Self::N {
            let last = state[i - 1];
            state[i] = 1_812_433_253_u32.wrapping_mul(last ^ (last >> 30)).wrapping_add(i as u32);
        }
        Self { state, next: Self::N }
    }

    /// `permutation(count)`, in front of which `choice(count, k, replace=False)` stands.
    pub fn permutation(&mut self, count: u32) -> Vec<u32> {
        let mut places: Vec<u32> = (0..count).collect();
        for last in (1..count).rev() {
            places.swap(last as usize, self.up_to(last) as usize);
        }
        places
    }

    fn draw(&mut self) -> u32 {
        if self.next == Self::N {
            for i in 0..Self::N {
                let y = (self.state[i] & 1 << 31) | (self.state[(i + 1) % Self::N] & !(1 << 31));
                let twist = if y & 1 == 1 { 0x9908_b0df } else { 0 };
                self.state[i] = self.state[(i + 397) % Self::N] ^ (y >> 1) ^ twist;
            }
            self.next = 0;
        }
        let mut y = self.state[self.next];
        self.next += 1;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c_5680;
        y ^= (y << 15) & 0xefc6_0000;
        y ^ (y >> 18)
    }

    /// 0 to `most`, each as likely: draws of as many bits until one fits.
    fn up_to(&mut self, most: u32) -> u32 {
        let mask = u32::MAX >> most.leading_zeros();
        loop {
            let value = self.draw() & mask;
            if value <= most {
                return value;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By NumPy 2.4: `r = RandomState(2020); r.permutation(8); r.permutation(5)`.
    #[test]
    fn permutations_go_on_from_one_to_the_next() {
        let mut random = RandomState::new(2020);
        assert_eq!(random.permutation(8), [6, 2, 1, 4, 5, 3, 7, 0]);
        assert_eq!(random.permutation(5), [3, 2, 4, 1, 0]);
        assert!(random.permutation(0).is_empty());
    }
}
