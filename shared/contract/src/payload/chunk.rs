use super::{Dtype, PayloadError, Tensor, decode, encode};
use crate::kind::Kind;

/// The stored label of an image that was made without a class.
pub const NO_LABEL: i64 = -1;

/// One data object of a chunk: row i of `data` is the image of `seeds[i]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkObject {
    /// The chunk's seeds, n of them, in the order of the plan.
    pub seeds: Vec<u64>,
    /// The class of each, or [`NO_LABEL`].
    pub labels: Vec<i64>,
    /// `latents` `[N, C, H, W]` f32 · `images` `[N, C, H, W]` u8 · `features` `[N, D]` f32, named by [`Kind::tensor_name`].
    pub data: Tensor,
}

impl ChunkObject {
    /// The object's bytes: a function of its content alone.
    ///
    /// # Errors
    /// When the number of seeds, labels and rows differ, `data` is not what `kind` asks for, or a seed exceeds i64.
    pub fn encode(&self, kind: &Kind) -> Result<Vec<u8>, PayloadError> {
        self.check(kind)?;
        let seeds = self
            .seeds
            .iter()
            .map(|&seed| i64::try_from(seed).map_err(|_| PayloadError::Seed { seed: seed.to_string() }));
        let seeds = seeds.collect::<Result<Vec<i64>, _>>()?;
        let rows = [self.seeds.len()];
        let seeds = Tensor::from_i64("seeds", &rows, &seeds);
        encode(&[&seeds, &Tensor::from_i64("labels", &rows, &self.labels), &self.data])
    }

    /// Reads back what [`ChunkObject::encode`] wrote.
    ///
    /// # Errors
    /// When the bytes are damaged or the object is not one of this kind.
    pub fn decode(kind: &Kind, bytes: &[u8]) -> Result<Self, PayloadError> {
        let mut tensors = decode(bytes)?;
        let seeds = take(&mut tensors, "seeds")?
            .to_i64()?
            .into_iter()
            .map(|seed| u64::try_from(seed).map_err(|_| PayloadError::Seed { seed: seed.to_string() }));
        let object = ChunkObject {
            seeds: seeds.collect::<Result<_, _>>()?,
            labels: take(&mut tensors, "labels")?.to_i64()?,
            data: take(&mut tensors, kind.tensor_name())?,
        };
        object.check(kind)?;
        Ok(object)
    }

    fn check(&self, kind: &Kind) -> Result<(), PayloadError> {
        let name = kind.tensor_name();
        let (dtype, num_dims) = match kind {
            Kind::Latents => (Dtype::F32, 4),
            Kind::Images => (Dtype::U8, 4),
            Kind::Features(_) => (Dtype::F32, 2),
        };
        let Tensor { name: found, dtype: actual, shape, .. } = &self.data;
        if found != name {
            return Err(PayloadError::Missing { name: name.into(), present: vec![found.clone()] });
        }
        if *actual != dtype {
            return Err(PayloadError::Dtype { name: name.into(), expected: dtype, actual: *actual });
        }
        let num_rows = self.seeds.len();
        if shape.len() != num_dims || shape.first() != Some(&num_rows) {
            let expected = format!("{num_dims} dimensions, the first of {num_rows} (one row a seed),");
            return Err(PayloadError::Shape { name: name.into(), shape: shape.clone(), expected });
        }
        if self.labels.len() != num_rows {
            let shape = vec![self.labels.len()];
            return Err(PayloadError::Shape {
                name: "labels".into(),
                shape,
                expected: format!("[{num_rows}]"),
            });
        }
        self.data.check()
    }
}

fn take(tensors: &mut Vec<Tensor>, name: &str) -> Result<Tensor, PayloadError> {
    match tensors.iter().position(|tensor| tensor.name == name) {
        Some(index) => Ok(tensors.swap_remove(index)),
        None => {
            let present = tensors.iter().map(|tensor| tensor.name.clone()).collect();
            Err(PayloadError::Missing { name: name.to_owned(), present })
        }
    }
}
