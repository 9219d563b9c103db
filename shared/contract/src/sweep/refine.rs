//! A finer grid around the best cell.

use super::{
    Axis, AxisName, AxisValue, Point,
    values::{decimals, rounded},
};

/// The points halfway from `best` to its neighbours among `seen`, on every axis that has values between its values, in
/// all combinations; on the other axes they stay where the best is. `best` itself is not among them.
pub fn around(axes: &[Axis], seen: &[Point], best: &Point) -> Vec<Point> {
    let mut points: Vec<Point> = vec![Vec::new()];
    for (i, axis) in axes.iter().enumerate() {
        let mut values = vec![best[i].clone()];
        if let AxisValue::Number(at) = best[i]
            && axis.name.is_continuous()
        {
            let numbers = seen.iter().filter_map(|point| match point[i] {
                AxisValue::Number(number) => Some(number),
                _ => None,
            });
            values.extend(halfway(&axis.name, numbers.collect(), at).into_iter().map(AxisValue::Number));
        }
        points = points
            .iter()
            .flat_map(|point| values.iter().map(|value| [&point[..], std::slice::from_ref(value)].concat()))
            .collect();
    }
    points.retain(|point| point != best && !seen.contains(point));
    points
}

/// Between a number and the next ones below and above it; none where there is nothing between.
fn halfway(axis: &AxisName, numbers: Vec<f64>, at: f64) -> Vec<f64> {
    let below = numbers.iter().copied().filter(|number| *number < at).reduce(f64::max);
    let above = numbers.iter().copied().filter(|number| *number > at).reduce(f64::min);
    let middle = |other: f64| match axis {
        AxisName::Steps => ((at + other) / 2.0).round(),
        _ => rounded((at + other) / 2.0, decimals(at).max(decimals(other)) + 1),
    };
    let found = below.into_iter().chain(above).map(middle);
    found.filter(|number| *number != at && !numbers.contains(number)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(value: f64) -> AxisValue {
        AxisValue::Number(value)
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
        // No EMA length is made up, and no step lies between 16 and 17.
        let expected = [1.1, 1.3].map(|w| vec![number(0.1), number(17.0), number(w)]);
        assert_eq!(around(&axes, &seen, &best), expected);
        let again: Vec<Point> = seen.iter().chain(&expected).cloned().collect();
        let finer = [1.15, 1.25].map(|w| vec![number(0.1), number(17.0), number(w)]);
        assert_eq!(around(&axes, &again, &best), finer);
        let edge = vec![number(0.05), number(16.0), number(1.4)];
        assert_eq!(around(&axes, &seen, &edge), [vec![number(0.05), number(16.0), number(1.3)]]);
    }
}
