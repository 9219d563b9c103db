//! Products of large matrices, by vectors. What is computed is the same to the bit on every processor that has fused
//! multiply-adds, and for any number of threads.

mod band;
mod chase;
mod cholesky;
mod eigenvalues;
mod number;
mod panels;
mod product;
mod reflector;
mod scatter;

pub(crate) use cholesky::cholesky;
pub(crate) use eigenvalues::eigenvalues;
pub(crate) use panels::Panels;
pub(crate) use product::{Wanted, Zeros, product, product_alone, product_of_triangle, product_within};
pub(crate) use scatter::{Part, Share, add};
