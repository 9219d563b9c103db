//! The net's blocks, as data.

use super::blocks::{BranchSpec, ConvSpec, Pool, conv, valid, wide};

fn branch(convs: &[ConvSpec]) -> BranchSpec {
    BranchSpec { pool: None, convs: convs.to_vec(), tails: Vec::new() }
}

fn pooled(pool: Pool, convs: &[ConvSpec]) -> BranchSpec {
    BranchSpec { pool: Some(pool), ..branch(convs) }
}

/// What comes before the blocks: one branch after the other.
pub fn stem() -> Vec<BranchSpec> {
    vec![
        branch(&[valid("Conv2d_1a_3x3", 32, 2), valid("Conv2d_2a_3x3", 32, 1), conv("Conv2d_2b_3x3", 64, 3)]),
        pooled(Pool::Halve, &[conv("Conv2d_3b_1x1", 80, 1), valid("Conv2d_4a_3x3", 192, 1)]),
        pooled(Pool::Halve, &[]),
    ]
}

/// A block's name and branches, in the order in which their channels follow each other.
pub fn blocks() -> Vec<(&'static str, Vec<BranchSpec>)> {
    vec![
        ("Mixed_5b", fives(32)),
        ("Mixed_5c", fives(64)),
        ("Mixed_5d", fives(64)),
        ("Mixed_6a", to_seventeen()),
        ("Mixed_6b", sevens(128)),
        ("Mixed_6c", sevens(160)),
        ("Mixed_6d", sevens(160)),
        ("Mixed_6e", sevens(192)),
        ("Mixed_7a", to_eight()),
        ("Mixed_7b", split(Pool::Mean)),
        // The last block's pool is a maximum, in this net alone.
        ("Mixed_7c", split(Pool::Max)),
    ]
}

/// 35×35.
fn fives(pool: i64) -> Vec<BranchSpec> {
    vec![
        branch(&[conv("branch1x1", 64, 1)]),
        branch(&[conv("branch5x5_1", 48, 1), conv("branch5x5_2", 64, 5)]),
        branch(&[
            conv("branch3x3dbl_1", 64, 1),
            conv("branch3x3dbl_2", 96, 3),
            conv("branch3x3dbl_3", 96, 3),
        ]),
        pooled(Pool::Mean, &[conv("branch_pool", pool, 1)]),
    ]
}

/// 35×35 to 17×17.
fn to_seventeen() -> Vec<BranchSpec> {
    vec![
        branch(&[valid("branch3x3", 384, 2)]),
        branch(&[
            conv("branch3x3dbl_1", 64, 1),
            conv("branch3x3dbl_2", 96, 3),
            valid("branch3x3dbl_3", 96, 2),
        ]),
        pooled(Pool::Halve, &[]),
    ]
}

/// 17×17, with rows and columns apart.
fn sevens(inner: i64) -> Vec<BranchSpec> {
    let (row, column) = ([1, 7], [7, 1]);
    vec![
        branch(&[conv("branch1x1", 192, 1)]),
        branch(&[
            conv("branch7x7_1", inner, 1),
            wide("branch7x7_2", inner, row),
            wide("branch7x7_3", 192, column),
        ]),
        branch(&[
            conv("branch7x7dbl_1", inner, 1),
            wide("branch7x7dbl_2", inner, column),
            wide("branch7x7dbl_3", inner, row),
            wide("branch7x7dbl_4", inner, column),
            wide("branch7x7dbl_5", 192, row),
        ]),
        pooled(Pool::Mean, &[conv("branch_pool", 192, 1)]),
    ]
}

/// 17×17 to 8×8.
fn to_eight() -> Vec<BranchSpec> {
    vec![
        branch(&[conv("branch3x3_1", 192, 1), valid("branch3x3_2", 320, 2)]),
        branch(&[
            conv("branch7x7x3_1", 192, 1),
            wide("branch7x7x3_2", 192, [1, 7]),
            wide("branch7x7x3_3", 192, [7, 1]),
            valid("branch7x7x3_4", 192, 2),
        ]),
        pooled(Pool::Halve, &[]),
    ]
}

/// 8×8, with branches that end in a row and a column side by side.
fn split(pool: Pool) -> Vec<BranchSpec> {
    let (row, column) = ([1, 3], [3, 1]);
    vec![
        branch(&[conv("branch1x1", 320, 1)]),
        BranchSpec {
            tails: vec![wide("branch3x3_2a", 384, row), wide("branch3x3_2b", 384, column)],
            ..branch(&[conv("branch3x3_1", 384, 1)])
        },
        BranchSpec {
            tails: vec![wide("branch3x3dbl_3a", 384, row), wide("branch3x3dbl_3b", 384, column)],
            ..branch(&[conv("branch3x3dbl_1", 448, 1), conv("branch3x3dbl_2", 384, 3)])
        },
        pooled(pool, &[conv("branch_pool", 192, 1)]),
    ]
}
