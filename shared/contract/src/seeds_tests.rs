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

#[test]
fn seeds_that_torch_takes_for_the_same_are_named() {
    let same = |list: &str| seeds(list).check_distinct_images();
    let twins = |seed, twin| Err(SeedsError::SameImage { seed, twin });
    assert_eq!(same("0-49999,4294967295"), Ok(()));
    assert_eq!(same("4294967290-4294967300"), Ok(()), "a range across a multiple of 2^32");
    assert_eq!(same("5,4294967301"), twins(5, 4_294_967_301));
    assert_eq!(same("0-999999,4294967296-4294967300"), twins(0, 4_294_967_296));
    assert_eq!(same("7,1000-2000,1099511627779-1099511628776"), twins(7, 1_099_511_627_783));
    assert_eq!(same("3,4294967290-4294967300"), twins(3, 4_294_967_299), "the part after the multiple");
    // Millions of seeds are a few ranges.
    assert_eq!(same("0-499999999,4794967296-5294967295"), Ok(()));
}

proptest! {
    #[test]
    fn the_same_image_is_found_as_by_looking_at_each(list in prop::collection::vec((0u64..3, 0u64..12, 0u64..6), 0..6)) {
        let ranges = list.iter().map(|&(turn, low, len)| {
            let first = ((turn << 32) + 0xffff_fff8 + low).min(crate::seeds::MAX_SEED);
            (first, first + len)
        });
        let seeds = Seeds::from_ranges(ranges).unwrap();
        let mut each: Vec<u64> = seeds.to_vec();
        each.sort_unstable_by_key(|seed| (seed & 0xffff_ffff, *seed));
        let twins = each.windows(2).any(|pair| pair[0] & 0xffff_ffff == pair[1] & 0xffff_ffff);
        match seeds.check_distinct_images() {
            Ok(()) => prop_assert!(!twins),
            Err(SeedsError::SameImage { seed, twin }) => {
                prop_assert!(twins && seed & 0xffff_ffff == twin & 0xffff_ffff);
                prop_assert!(each.contains(&seed) && each.contains(&twin));
            }
            Err(other) => prop_assert!(false, "{other}"),
        }
    }
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

#[test]
fn turned_seeds_meet_none_of_the_others() {
    let seeds: Seeds = "3-5,9".parse().unwrap();
    assert_eq!(seeds.turned(0), Ok(seeds.clone()));
    assert_eq!(seeds.turned(1).unwrap().to_string(), "10-12,16");
    assert_eq!(seeds.turned(2).unwrap().to_string(), "17-19,23");
    assert!(matches!(seeds.turned(u64::MAX), Err(SeedsError::TooLarge { .. })));
    assert_eq!(Seeds::default().turned(1), Err(SeedsError::Empty));
}
