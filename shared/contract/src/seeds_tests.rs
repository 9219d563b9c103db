use proptest::prelude::*;

use super::*;

fn seeds(text: &str) -> Seeds {
    text.parse().unwrap()
}

#[test]
fn display_is_canonical() {
    for (given, canonical) in
        [("0-49999", "0-49999"), ("1, 2,5-10", "1-2,5-10"), ("7-7", "7"), ("3,2,1", "3,2,1"), ("", "")]
    {
        assert_eq!(seeds(given).to_string(), canonical);
    }
    assert_eq!(seeds("0-4,5-9"), seeds("0-9"));
}

#[test]
fn refusals_say_why() {
    for (text, message) in [
        ("9-3", "range `9-3` is reversed: write `3-9`"),
        ("1,x", "`x` is no seed: write seeds as `0-49999` or `1,2,5-10`"),
        ("+1", "`+1` is no seed: write seeds as `0-49999` or `1,2,5-10`"),
        ("1,", "`` is no seed: write seeds as `0-49999` or `1,2,5-10`"),
        ("0-1000000000", "more than `1000000000` seeds: split them over several runs"),
        (
            "9223372036854775808",
            "seed `9223372036854775808` is too large: use seeds up to `9223372036854775807`",
        ),
    ] {
        assert_eq!(text.parse::<Seeds>().unwrap_err().to_string(), message);
    }
}

#[test]
fn ascending_means_each_once() {
    assert_eq!(seeds("").check_ascending(), Err(SeedsError::Empty));
    assert_eq!(seeds("1-5,5").check_ascending(), Err(SeedsError::NotAscending { before: 5, after: 5 }));
    assert_eq!(seeds("8,3").check_ascending(), Err(SeedsError::NotAscending { before: 8, after: 3 }));
    assert_eq!(seeds("1-5,7").check_ascending(), Ok(()));
}

proptest! {
    #[test]
    fn a_list_is_its_seeds(list in prop::collection::vec(0u64..50, 0..40)) {
        let seeds = Seeds::from_ranges(list.iter().map(|&s| (s, s))).unwrap();
        prop_assert_eq!(seeds.to_vec(), list.clone());
        prop_assert_eq!(seeds.len(), list.len() as u64);
        prop_assert_eq!(seeds.to_string().parse::<Seeds>().unwrap(), seeds);
    }

    #[test]
    fn a_slice_is_the_vectors_slice(list in prop::collection::vec(0u64..50, 0..40), start in 0usize..50, len in 0usize..50) {
        let seeds = Seeds::from_ranges(list.iter().map(|&s| (s, s))).unwrap();
        let expected: Vec<u64> = list.iter().copied().skip(start).take(len).collect();
        prop_assert_eq!(seeds.slice(start as u64, len as u64).to_vec(), expected);
    }

    #[test]
    fn any_text_is_refused_or_read(text in "[0-9]{0,3}([-, ][0-9]{1,3}){0,4}") {
        if let Ok(seeds) = text.parse::<Seeds>() {
            prop_assert_eq!(seeds.to_string().parse::<Seeds>().unwrap(), seeds);
        }
    }
}
