//! Where a function over the plane is above a level, by marching squares.

use std::collections::BTreeMap;

/// Values at the points of a grid with steps of one, row by row, from `[0, 0]`.
#[derive(Clone, Copy, Debug)]
pub struct Grid<'a> {
    pub values: &'a [f64],
    /// Points in a row, at least one.
    pub width: usize,
}

/// The side between a point of the grid and the next: to its right, or below it.
type Side = (i64, i64, bool);

impl Grid<'_> {
    /// Closed lines around all places where the value is `level` or more, in steps of the grid. Beyond the grid all is
    /// below, so that every line closes, half a step outside at most.
    pub fn rings(&self, level: f64) -> Vec<Vec<[f64; 2]>> {
        let (width, height) = (self.width as i64, (self.values.len() / self.width) as i64);
        let mut next = BTreeMap::new();
        for y in -1..height {
            for x in -1..width {
                self.cross((x, y), level, &mut next);
            }
        }
        let mut rings = Vec::new();
        while let Some((&first, _)) = next.first_key_value() {
            let (mut ring, mut side) = (Vec::new(), first);
            // Each side that is crossed is left once and reached once.
            while let Some(following) = next.remove(&side) {
                ring.push(self.place(side, level));
                side = following;
            }
            rings.push(ring);
        }
        rings
    }

    fn value(&self, x: i64, y: i64) -> Option<f64> {
        let inside = (0..self.width as i64).contains(&x) && y >= 0;
        inside.then(|| self.values.get(y as usize * self.width + x as usize).copied()).flatten()
    }

    /// Adds the lines through the cell whose first corner is `(x, y)`: each from a side where a walk around the cell
    /// leaves what is above, to one where it comes back.
    fn cross(&self, (x, y): (i64, i64), level: f64, next: &mut BTreeMap<Side, Side>) {
        let corners = [(x, y), (x + 1, y), (x + 1, y + 1), (x, y + 1)].map(|(x, y)| self.value(x, y));
        let above = corners.map(|value| value.is_some_and(|value| value >= level));
        let sides = [(x, y, false), (x + 1, y, true), (x, y + 1, false), (x, y, true)];
        let is_entry = |i: usize| !above[i % 4] && above[(i + 1) % 4];
        // Of two opposite corners above, whether they meet in the middle.
        let meet = corners.iter().map(|value| value.unwrap_or(f64::NEG_INFINITY)).sum::<f64>() >= 4.0 * level;
        for leave in (0..4).filter(|&i| above[i] && !above[(i + 1) % 4]) {
            let around = |k: usize| if meet { leave + k } else { leave + 4 - k };
            if let Some(entry) = (1..4).map(around).find(|&i| is_entry(i)) {
                next.insert(sides[leave], sides[entry % 4]);
            }
        }
    }

    fn place(&self, (x, y, down): Side, level: f64) -> [f64; 2] {
        let (other_x, other_y) = if down { (x, y + 1) } else { (x + 1, y) };
        let part = match (self.value(x, y), self.value(other_x, other_y)) {
            (Some(from), Some(to)) => ((level - from) / (to - from)).clamp(0.0, 1.0),
            _ => 0.5,
        };
        if down { [x as f64, y as f64 + part] } else { [x as f64 + part, y as f64] }
    }
}

/// A line with fewer points, of which none that was left out is further than `tolerance` from it (Douglas and Peucker).
pub fn simplified(line: &[[f64; 2]], tolerance: f64) -> Vec<[f64; 2]> {
    let Some(last) = line.len().checked_sub(1) else { return Vec::new() };
    let mut kept = vec![false; line.len()];
    (kept[0], kept[last]) = (true, true);
    let mut parts = vec![(0, last)];
    while let Some((from, to)) = parts.pop() {
        let off = |i: usize| (i, distance(line[i], (line[from], line[to])));
        let furthest = (from + 1..to).map(off).max_by(|a, b| a.1.total_cmp(&b.1));
        if let Some((middle, _)) = furthest.filter(|(_, off)| *off > tolerance) {
            kept[middle] = true;
            parts.extend([(from, middle), (middle, to)]);
        }
    }
    line.iter().zip(kept).filter(|(_, kept)| *kept).map(|(point, _)| *point).collect()
}

/// Of a point from the straight line between two.
fn distance(point: [f64; 2], (from, to): ([f64; 2], [f64; 2])) -> f64 {
    let (along, away) = ([to[0] - from[0], to[1] - from[1]], [point[0] - from[0], point[1] - from[1]]);
    let square = along[0] * along[0] + along[1] * along[1];
    let part = ((away[0] * along[0] + away[1] * along[1]) / square.max(1e-300)).clamp(0.0, 1.0);
    (away[0] - part * along[0]).hypot(away[1] - part * along[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enclosed(ring: &[[f64; 2]]) -> f64 {
        let next = ring.iter().cycle().skip(1);
        0.5 * ring.iter().zip(next).map(|(a, b)| a[0] * b[1] - a[1] * b[0]).sum::<f64>()
    }

    #[test]
    fn a_ring_and_its_hole() {
        let at = |i: usize| ((i % 41) as f64 - 20.0).hypot((i / 41) as f64 - 20.0);
        // Above 0 between the circles of radius 5 and 15.
        let values: Vec<f64> = (0..41 * 41).map(|i| 5.0 - (at(i) - 10.0).abs()).collect();
        let rings = Grid { values: &values, width: 41 }.rings(0.0);
        assert_eq!(rings.len(), 2);
        let areas: Vec<f64> = rings.iter().map(|ring| enclosed(ring)).collect();
        let expected = [15.0, -5.0].map(|radius: f64| std::f64::consts::PI * radius * radius.abs());
        assert!(
            areas.iter().zip(expected).all(|(found, expected)| (found / expected - 1.0).abs() < 0.02),
            "{areas:?}"
        );
        for ring in &rings {
            let fewer = simplified(ring, 0.1);
            assert!(fewer.len() * 10 < ring.len() * 9, "{} of {}", fewer.len(), ring.len());
            assert!((enclosed(&fewer) / enclosed(ring) - 1.0).abs() < 0.03);
        }
    }

    #[test]
    fn what_reaches_the_edge_closes_beyond_it_and_corners_meet_through_a_high_middle() {
        let all = Grid { values: &[1.0; 6], width: 3 }.rings(0.0);
        assert_eq!((all.len(), enclosed(&all[0])), (1, 3.0 * 2.0 - 0.5));
        let corners = |height: f64| [height, 0.0, 0.0, height];
        let count = |height: f64| Grid { values: &corners(height), width: 2 }.rings(1.0).len();
        assert_eq!((count(1.5), count(3.0)), (2, 1));
    }
}
