//! A square part of the plane, and a function over it as coloured bands between contours.

use tch::Tensor;

use fidelis_figure::{Canvas, Color, Pen};

/// What of the plane a panel shows.
#[derive(Clone, Copy, Debug)]
pub struct View {
    pub center: [f64; 2],
    /// From the centre to each edge.
    pub half: f64,
    /// Pixels along an edge.
    pub size: usize,
}

impl View {
    /// A point of the plane in pixels; up is up.
    pub fn pixel(&self, [x, y]: [f64; 2]) -> [f32; 2] {
        let scale = self.size as f64 / (2.0 * self.half);
        let from_left = (x - self.center[0] + self.half) * scale;
        let from_top = (self.center[1] + self.half - y) * scale;
        [from_left as f32, from_top as f32]
    }

    /// The middles of all pixels, row by row: float64 `[size², 2]`.
    pub fn points(&self) -> Tensor {
        let step = 2.0 * self.half / self.size as f64;
        let at = |i: usize| (i as f64 + 0.5) * step - self.half;
        let point = |(x, y): (usize, usize)| [self.center[0] + at(x), self.center[1] - at(y)];
        let places = (0..self.size).flat_map(|y| (0..self.size).map(move |x| (x, y)));
        Tensor::from_slice(&places.flat_map(point).collect::<Vec<f64>>()).reshape([-1, 2])
    }

    /// A grid with this spacing through the centre.
    pub fn grid(&self, spacing: f64) -> Tensor {
        let count = (self.half / spacing).floor() as i64;
        let ticks = || (-count..=count).map(|i| i as f64 * spacing);
        let points = ticks().flat_map(|y| ticks().map(move |x| (x, y)));
        let shifted = points.flat_map(|(x, y)| [self.center[0] + x, self.center[1] + y]);
        Tensor::from_slice(&shifted.collect::<Vec<f64>>()).reshape([-1, 2])
    }
}

/// Values of a function at the pixels of a view, row by row.
#[derive(Clone, Debug)]
pub struct Field {
    pub values: Vec<f64>,
    size: usize,
}

impl Field {
    pub fn new(view: &View, values: Vec<f64>) -> Self {
        Self { values, size: view.size }
    }

    /// How much the value changes from a pixel to the next.
    fn slope(&self, x: usize, y: usize) -> f64 {
        let last = self.size - 1;
        let value = |x: usize, y: usize| self.values[y * self.size + x];
        let across = value((x + 1).min(last), y) - value(x.saturating_sub(1), y);
        let down = value(x, (y + 1).min(last)) - value(x, y.saturating_sub(1));
        (0.5 * across.hypot(down)).max(1e-9)
    }

    /// Colours all pixels whose value is above a level; later levels lie over earlier ones.
    pub fn fill(&self, canvas: &mut Canvas, levels: &[(f64, Color)]) {
        self.each(|x, y, value, slope| {
            for &(level, color) in levels {
                canvas.blend((x, y), color, ((value - level) / slope + 0.5).clamp(0.0, 1.0) as f32);
            }
        });
    }

    /// Draws the line where the value is `level`.
    pub fn outline(&self, canvas: &mut Canvas, level: f64, pen: Pen) {
        self.each(|x, y, value, slope| {
            let distance = ((value - level) / slope).abs() as f32;
            canvas.blend((x, y), pen.color, pen.alpha * (0.5 * pen.width - distance + 0.5).clamp(0.0, 1.0));
        });
    }

    fn each(&self, mut act: impl FnMut(usize, usize, f64, f64)) {
        for y in 0..self.size {
            for x in 0..self.size {
                act(x, y, self.values[y * self.size + x], self.slope(x, y));
            }
        }
    }
}
