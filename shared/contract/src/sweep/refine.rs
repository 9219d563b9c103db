//! A finer grid around the best cell.

use super::{
    Axis, AxisName, AxisValue, Point,
    values::{decimals, rounded},
};

/// What there is between the values of axes, beside numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Between {
    /// The lowest and the highest noise level of the sampler: where `all` begins and ends.
    pub noise: [f64; 2],
    /// EMA lengths that there are files of beside the main net's.
    pub net_emas: Vec<f64>,
    /// Beside the guiding net's.
    pub gnet_emas: Vec<f64>,
}

/// The points halfway from `best` to its neighbours among `seen`, on every axis that has values between its values, in
/// all combinations; on the other axes they stay where the best is. `best` itself is not among them.
pub fn around(axes: &[Axis], seen: &[Point], best: &Point, between: &Between) -> Vec<Point> {
    let mut points: Vec<Point> = vec![Vec::new()];
    for (i, axis) in axes.iter().enumerate() {
        let known: Vec<&AxisValue> = seen.iter().map(|point| &point[i]).collect();
        let mut values = vec![best[i].clone()];
        values.extend(finer(&axis.name, &known, &best[i], between));
        points = points
            .iter()
            .flat_map(|point| values.iter().map(|value| [&point[..], std::slice::from_ref(value)].concat()))
            .collect();
    }
    points.retain(|point| point != best && !seen.contains(point));
    points
}

fn finer(axis: &AxisName, known: &[&AxisValue], best: &AxisValue, between: &Between) -> Vec<AxisValue> {
    let numbers: Vec<f64> = known.iter().filter_map(|value| number(value)).collect();
    match best {
        AxisValue::File { .. } => Vec::new(),
        AxisValue::Interval(interval) => {
            let known: Vec<_> = known.iter().filter_map(|value| ends(value)).collect();
            intervals(*interval, &known, between.noise)
        }
        AxisValue::Number(at) => {
            let found = match axis {
                AxisName::NetEma => existing(&between.net_emas, &numbers, *at),
                AxisName::GnetEma => existing(&between.gnet_emas, &numbers, *at),
                _ => halfway(axis, &numbers, *at),
            };
            found.into_iter().map(AxisValue::Number).collect()
        }
    }
}

fn number(value: &AxisValue) -> Option<f64> {
    if let AxisValue::Number(number) = value { Some(*number) } else { None }
}

fn ends(value: &AxisValue) -> Option<Option<(f64, f64)>> {
    if let AxisValue::Interval(interval) = value { Some(*interval) } else { None }
}

/// The next numbers below and above one.
fn neighbours(numbers: &[f64], at: f64) -> impl Iterator<Item = f64> {
    let below = numbers.iter().copied().filter(|number| *number < at).reduce(f64::max);
    let above = numbers.iter().copied().filter(|number| *number > at).reduce(f64::min);
    below.into_iter().chain(above)
}

/// Between a number and the next ones below and above it; none where there is nothing between.
fn halfway(axis: &AxisName, numbers: &[f64], at: f64) -> Vec<f64> {
    let middle = |other: f64| match axis {
        AxisName::Steps => ((at + other) / 2.0).round(),
        _ => rounded((at + other) / 2.0, decimals(at).max(decimals(other)) + 1),
    };
    let found = neighbours(numbers, at).map(middle);
    found.filter(|number| *number != at && !numbers.contains(number)).collect()
}

/// Of the numbers that there are between one and the next ones, the nearest to the middle.
fn existing(there: &[f64], numbers: &[f64], at: f64) -> Vec<f64> {
    let between = |other: f64| {
        let (low, high, middle) = (at.min(other), at.max(other), (at + other) / 2.0);
        let inner = there.iter().copied().filter(move |number| *number > low && *number < high);
        inner.min_by(|a, b| (a - middle).abs().total_cmp(&(b - middle).abs()))
    };
    neighbours(numbers, at).filter_map(between).collect()
}

/// An interval with one of its ends halfway to that of the next ones, as noise levels count: by their logarithms. `all` ends
/// where the sampler does.
fn intervals(best: Option<(f64, f64)>, known: &[Option<(f64, f64)>], noise: [f64; 2]) -> Vec<AxisValue> {
    let [lowest, highest] = noise;
    let ends = |interval: Option<(f64, f64)>| match interval {
        Some((low, high)) => [low.max(lowest), high.min(highest)],
        None => noise,
    };
    let [low, high] = ends(best);
    let of = |end: usize| known.iter().map(|interval| ends(*interval)[end]).collect::<Vec<f64>>();
    let middles = |end: usize, at: f64| {
        let others = of(end);
        neighbours(&others, at).map(move |other| significant((at * other).sqrt())).collect::<Vec<f64>>()
    };
    let (own_low, own_high) = best.unwrap_or((0.0, highest));
    let lows = middles(0, low).into_iter().map(|low| (low, own_high));
    let highs = middles(1, high).into_iter().map(|high| (own_low, high));
    let found = lows.chain(highs).filter(|(low, high)| low < high).map(Some);
    let new = found.filter(|interval| *interval != best && !known.contains(interval));
    new.map(AxisValue::Interval).collect()
}

/// To three digits.
fn significant(number: f64) -> f64 {
    format!("{number:.2e}").parse().unwrap_or(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(value: f64) -> AxisValue {
        AxisValue::Number(value)
    }

    fn none() -> Between {
        Between { noise: [0.002, 80.0], net_emas: Vec::new(), gnet_emas: Vec::new() }
    }

    /// Values of one axis around the best.
    fn of_one(name: AxisName, values: &[AxisValue], best: usize, between: &Between) -> Vec<AxisValue> {
        let points: Vec<Point> = values.iter().map(|value| vec![value.clone()]).collect();
        let axes = [Axis { name, values: values.to_vec() }];
        around(&axes, &points, &points[best], between).into_iter().flatten().collect()
    }

    #[test]
    fn ema_lengths_are_those_that_there_are_files_of() {
        let values = [0.05, 0.1, 0.2].map(number);
        let there = vec![0.03, 0.05, 0.06, 0.08, 0.1, 0.11, 0.12, 0.2, 0.25];
        let between = Between { gnet_emas: there, ..none() };
        let found = |best| of_one(AxisName::GnetEma, &values, best, &between);
        assert_eq!(found(1), [0.08, 0.12].map(number), "nearest to 0.075 and to 0.15");
        assert_eq!(found(0), [number(0.08)], "nothing is tried beyond the ends");
        assert_eq!(of_one(AxisName::NetEma, &values, 1, &between), [], "the main net has no such files");
    }

    #[test]
    fn intervals_are_refined_one_end_at_a_time() {
        let interval = |low: f64, high: f64| AxisValue::Interval(Some((low, high)));
        let values = [AxisValue::Interval(None), interval(0.19, 1.61), interval(0.28, 2.9)];
        let found = |best| of_one(AxisName::Interval, &values, best, &none());
        let lows = [interval(0.0195, 1.61), interval(0.231, 1.61)];
        assert_eq!(found(1), [&lows[..], &[interval(0.19, 2.16)]].concat());
        assert_eq!(found(2), [interval(0.231, 2.9), interval(0.28, 2.16), interval(0.28, 15.2)]);
        assert_eq!(found(0), [interval(0.0195, 80.0), interval(0.0, 15.2)]);
        assert_eq!(of_one(AxisName::Interval, &values[1..2], 0, &none()), [], "one has no neighbour");
    }

    #[test]
    fn files_have_nothing_between_them() {
        let file =
            |path: &str| AxisValue::File { file: crate::spec::FileRef::new(path), label: path.to_owned() };
        assert_eq!(of_one(AxisName::Gnet, &[file("a"), file("b")], 0, &none()), []);
    }

    #[test]
    fn halfway_on_each_side_in_all_combinations() {
        let axis = |name, values: &[f64]| Axis { name, values: values.iter().copied().map(number).collect() };
        let axes = [
            axis(AxisName::GnetEma, &[0.05, 0.1]),
            axis(AxisName::Steps, &[16.0, 17.0]),
            axis(AxisName::Guidance, &[1.0, 1.2, 1.4]),
        ];
        let seen = super::super::points(&axes).unwrap();
        let best = vec![number(0.1), number(17.0), number(1.2)];
        // No EMA length is made up where there is no file, and no step lies between 16 and 17.
        let expected = [1.1, 1.3].map(|w| vec![number(0.1), number(17.0), number(w)]);
        assert_eq!(around(&axes, &seen, &best, &none()), expected);
        let again: Vec<Point> = seen.iter().chain(&expected).cloned().collect();
        let finer = [1.15, 1.25].map(|w| vec![number(0.1), number(17.0), number(w)]);
        assert_eq!(around(&axes, &again, &best, &none()), finer);
        let edge = vec![number(0.05), number(16.0), number(1.4)];
        assert_eq!(around(&axes, &seen, &edge, &none()), [vec![number(0.05), number(16.0), number(1.3)]]);
    }
}
