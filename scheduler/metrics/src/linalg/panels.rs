//! A matrix in panels of as many rows as a pack holds: panel after panel, in each one column after another. Whoever
//! multiplies two of them reads and writes memory in order and in whole packs.

use faer::{Mat, MatRef};

use super::number::Number;

/// `[rows, columns]`; both are filled up with zeros to whole packs.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Panels<T: Number> {
    rows: usize,
    columns: usize,
    packs: Vec<T::Pack>,
}

/// Some panels, and of each some columns.
#[derive(Clone, Copy)]
pub(crate) struct View<'a, T: Number> {
    packs: &'a [T::Pack],
    stride: usize,
    count: usize,
    columns: usize,
}

impl<'a, T: Number> View<'a, T> {
    pub(crate) fn columns(&self) -> usize {
        self.columns
    }

    /// How many panels there are.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    pub(crate) fn panel(&self, panel: usize) -> &'a [T::Pack] {
        &self.packs[panel * self.stride..][..self.columns]
    }
}

impl<T: Number> Panels<T> {
    pub(crate) fn zeros(rows: usize, columns: usize) -> Self {
        let mut zeros = Self { rows, columns, packs: Vec::new() };
        zeros.packs = vec![T::ZEROS; zeros.count() * zeros.stride()];
        zeros
    }

    /// Makes room for another matrix, of whatever numbers, in the same memory.
    pub(crate) fn reshape(&mut self, rows: usize, columns: usize) {
        (self.rows, self.columns) = (rows, columns);
        let size = self.count() * self.stride();
        self.packs.resize(size, T::ZEROS);
    }

    pub(crate) fn from_fn(rows: usize, columns: usize, at: impl Fn(usize, usize) -> T) -> Self {
        let mut panels = Self::zeros(rows, columns);
        let stride = panels.stride();
        for (panel, packs) in panels.packs.chunks_mut(stride.max(1)).enumerate() {
            let first = panel * T::WIDTH;
            for (column, pack) in packs[..columns].iter_mut().enumerate() {
                for (row, value) in (first..rows).zip(pack.as_mut()) {
                    *value = at(row, column);
                }
            }
        }
        panels
    }

    /// The same numbers with rows for columns.
    pub(crate) fn transposed(&self) -> Self {
        let mut turned = Self::zeros(self.columns, self.rows);
        let (from, to) = (self.stride(), turned.stride());
        for (panel, packs) in turned.packs.chunks_mut(to.max(1)).enumerate() {
            // A panel may have more packs than the source has panels.
            for (source, packs) in packs.chunks_mut(T::WIDTH).enumerate().take(self.count()) {
                let block = &self.packs[source * from + panel * T::WIDTH..][..T::WIDTH];
                for (row, pack) in packs.iter_mut().enumerate() {
                    pack.as_mut().iter_mut().zip(block).for_each(|(value, pack)| *value = pack.as_ref()[row]);
                }
            }
        }
        turned
    }

    /// Puts the values of the lower triangle into the upper one, of as many rows as columns.
    pub(crate) fn mirror(&mut self) {
        let stride = self.stride();
        for panel in 0..self.count() {
            let (to, below) = self.packs.split_at_mut((panel + 1) * stride);
            let to = &mut to[panel * stride..];
            for (row, column) in (0..T::WIDTH).flat_map(|row| (0..row).map(move |column| (row, column))) {
                let first = panel * T::WIDTH;
                to[first + row].as_mut()[column] = to[first + column].as_ref()[row];
            }
            let blocks = to[(panel + 1) * T::WIDTH..].chunks_mut(T::WIDTH);
            for (packs, source) in blocks.zip(below.chunks(stride.max(1))) {
                let block = &source[panel * T::WIDTH..][..T::WIDTH];
                for (row, pack) in packs.iter_mut().enumerate() {
                    pack.as_mut().iter_mut().zip(block).for_each(|(value, pack)| *value = pack.as_ref()[row]);
                }
            }
        }
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    pub(crate) fn columns(&self) -> usize {
        self.columns
    }

    /// How many panels there are.
    pub(crate) fn count(&self) -> usize {
        self.rows.div_ceil(T::WIDTH)
    }

    /// Packs of a panel: one for each column, and a few more where panels would else begin at the same place of a cache.
    pub(crate) fn stride(&self) -> usize {
        let stride = self.columns.next_multiple_of(T::WIDTH);
        if stride.is_multiple_of(512) { stride + 64 } else { stride }
    }

    pub(crate) fn panel(&self, panel: usize) -> &[T::Pack] {
        &self.packs[panel * self.stride()..][..self.stride()]
    }

    /// From a panel and a column on.
    pub(crate) fn part(&self, panel: usize, column: usize) -> View<'_, T> {
        let stride = self.stride();
        let begin = (panel * stride + column).min(self.packs.len());
        View {
            packs: &self.packs[begin..],
            stride,
            count: self.count() - panel,
            columns: self.columns - column,
        }
    }

    pub(crate) fn packs_mut(&mut self) -> &mut [T::Pack] {
        &mut self.packs
    }

    pub(crate) fn get_mut(&mut self, row: usize, column: usize) -> &mut T {
        let at = row / T::WIDTH * self.stride() + column;
        &mut self.packs[at].as_mut()[row % T::WIDTH]
    }

    pub(crate) fn get(&self, row: usize, column: usize) -> T {
        self.panel(row / T::WIDTH)[column].as_ref()[row % T::WIDTH]
    }
}

impl Panels<f64> {
    pub(crate) fn of(matrix: MatRef<'_, f64>) -> Self {
        let mut panels = Self::zeros(matrix.nrows(), matrix.ncols());
        let stride = panels.stride();
        for column in 0..matrix.ncols() {
            let Some(values) = matrix.col(column).try_as_col_major() else {
                return Self::from_fn(matrix.nrows(), matrix.ncols(), |i, j| matrix[(i, j)]);
            };
            let (whole, rest) = values.as_slice().as_chunks();
            for (panel, pack) in whole.iter().enumerate() {
                panels.packs[panel * stride + column] = *pack;
            }
            if !rest.is_empty() {
                panels.packs[whole.len() * stride + column][..rest.len()].copy_from_slice(rest);
            }
        }
        panels
    }

    pub(crate) fn to_mat(&self) -> Mat<f64> {
        Mat::from_fn(self.rows, self.columns, |i, j| self.get(i, j))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_where_they_should() {
        for (rows, columns) in [(1, 1), (8, 8), (13, 5), (17, 33), (512, 9), (9, 512)] {
            let number = |i: usize, j: usize| (100 * i + j) as f64;
            let matrix = Mat::from_fn(rows, columns, number);
            let panels = Panels::of(matrix.as_ref());
            assert_eq!(panels, Panels::from_fn(rows, columns, number));
            assert_eq!(panels, Panels::of(matrix.transpose()).transposed());
            assert_eq!(panels.to_mat(), matrix);
            let narrow = Panels::<f32>::from_fn(rows, columns, |i, j| number(i, j) as f32);
            assert_eq!(narrow.transposed().get(columns - 1, rows - 1), number(rows - 1, columns - 1) as f32);
            let mut lower = Panels::from_fn(rows, rows, |i, j| if i < j { -1.0 } else { number(i, j) });
            lower.mirror();
            assert_eq!(lower, Panels::from_fn(rows, rows, |i, j| number(i.max(j), i.min(j))));
        }
    }
}
