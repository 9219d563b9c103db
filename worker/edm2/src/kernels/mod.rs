//! Float32 on the CPU without libtorch: what the inference of nets and of Inception is made of.
//!
//! An activation is `[N, H, W, C]` with the channels in packs of [`WIDTH`], the last pack filled up with zeros; a
//! weight is packed once for the products. Each value is one chain of multiply-adds in the order of its inputs, so the
//! bits depend neither on the batch, nor on how the work is cut, nor on the number of threads.

mod attention;
mod conv;
mod crew;
mod direct;
mod forms;
mod map;
mod memory;
mod packed;
mod pixelwise;
mod points;
mod pool;
mod product;
mod simd;
mod winograd;

pub use attention::{Heads, attend};
pub use conv::{Conv, Finish, Kernel};
pub use map::{Part, Shape, Source, Stencil};
pub use memory::Memory;
pub use packed::{Panels, Storage};
pub use pixelwise::Pixelwise;
pub use points::{double, halve, normalize, silu_packs};
pub use pool::{Summary, pool, spatial_means};
pub use product::{Lhs, Out, product};
pub use simd::{Pack, WIDTH, level, packs_of};
