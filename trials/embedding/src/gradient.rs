//! The gradients of a batch, in one pass or in parts that need less memory.

use std::ops::Range;

use hpo_data::Rows;
use tch::Tensor;

use crate::augment::Augment;
use crate::error::{Error, Result};
use crate::examples::Examples;
use crate::loss::{Classifier, Loss, columns};
use crate::model::{Dropout, Embedded, Gradients, Model};
use crate::seed::derive;
use crate::tokens::Prompted;

/// What the gradients of a batch depend on.
#[derive(Debug)]
pub struct Pass<'a> {
    /// The model.
    pub model: &'a Model,
    /// The labels' layer, if the data have labels. Its tensors are among the weights.
    pub classifier: Option<&'a Classifier>,
    /// The loss.
    pub loss: &'a Loss,
    /// The data of the batch.
    pub data: &'a Examples,
    /// Tokens to which the texts are cut.
    pub max_length: usize,
    /// Dropout probability of the encoder.
    pub dropout: f64,
    /// The seed of dropout.
    pub seed: u64,
    /// Changes of the texts, if there are any.
    pub augment: Option<Augment>,
    /// What the loss is multiplied with before its gradient is taken.
    pub scale: f64,
}

impl Pass<'_> {
    /// The loss of a batch, a scalar on the device of the model, and its gradients. Nothing waits for the device.
    ///
    /// With more rows than `micro_batch` the batch is taken in parts of so many rows, and the gradients are those of the
    /// whole batch: where each row has a loss of its own, they are the sum of those of the parts; where the rows of a
    /// batch depend on each other, all rows are embedded first, and then once more part by part with the gradient that
    /// the loss has at each embedding (Gao et al., 2021, section 3.2). Dropout of a part differs from that of the
    /// whole.
    pub fn gradients(&self, batch: &Rows, micro_batch: usize) -> Result<(Tensor, Gradients)> {
        let parts = parts(batch.len(), micro_batch.max(1));
        if parts.len() == 1 {
            return self.whole(batch);
        }
        if self.loss.couples(self.data) {
            self.coupled(batch, &parts)
        } else {
            self.separate(batch, &parts)
        }
    }

    fn whole(&self, batch: &Rows) -> Result<(Tensor, Gradients)> {
        let embedded = self.embed(batch, 0)?;
        let loss = self.loss.of(&embedded.embeddings, batch, self.data, self.classifier)?;
        Ok((loss.f_detach()?, self.scaled(&loss, embedded)?))
    }

    fn separate(&self, batch: &Rows, parts: &[Range<usize>]) -> Result<(Tensor, Gradients)> {
        let mut sum = None;
        for (number, part) in parts.iter().enumerate() {
            let share = part.len() as f64 / batch.len() as f64;
            let part = slice(batch, part);
            let embedded = self.embed(&part, number as u64)?;
            let loss = self.loss.of(&embedded.embeddings, &part, self.data, self.classifier)?;
            let loss = loss.f_mul_scalar(share)?;
            let gradients = self.scaled(&loss, embedded)?;
            sum = Some(match sum {
                None => (loss.f_detach()?, gradients),
                Some((total, sum)) => (loss.f_detach()?.f_add(&total)?, self.add(sum, gradients)?),
            });
        }
        sum.ok_or_else(|| Error::Invalid("the batch is empty".to_owned()))
    }

    fn coupled(&self, batch: &Rows, parts: &[Range<usize>]) -> Result<(Tensor, Gradients)> {
        let mut pieces: Vec<Vec<Tensor>> = (0..batch.columns()).map(|_| Vec::new()).collect();
        for (number, part) in parts.iter().enumerate() {
            let rows = slice(batch, part);
            let texts = self.texts(&rows)?;
            let embeddings = self.model.embed_with(&texts, self.dropout(number as u64))?;
            for (pieces, piece) in pieces.iter_mut().zip(columns(&embeddings, &rows)?) {
                pieces.push(piece);
            }
        }
        let embeddings = Tensor::f_cat(&pieces.into_iter().flatten().collect::<Vec<_>>(), 0)?
            .f_detach()?
            .f_set_requires_grad(true)?;
        let loss = self.loss.of(&embeddings, batch, self.data, self.classifier)?;
        let slopes = Tensor::f_run_backward(&[&loss], &[&embeddings], false, false)?.remove(0);
        let slopes = columns(&slopes, batch)?;
        let mut done = vec![0; slopes.len()];
        let mut sum = None;
        for (number, part) in parts.iter().enumerate() {
            let rows = slice(batch, part);
            let embedded = self.embed(&rows, number as u64)?;
            let own = slopes.iter().zip(&mut done).zip(rows.sizes());
            let own = own.map(|((slopes, done), size)| {
                let own = slopes.f_narrow(0, *done, size as i64);
                *done += size as i64;
                own
            });
            let slopes = Tensor::f_cat(&own.collect::<std::result::Result<Vec<_>, _>>()?, 0)?;
            // Its gradient at each embedding is that of the loss.
            let stand_in = embedded.embeddings.f_mul(&slopes)?.f_sum(tch::Kind::Float)?;
            let gradients = self.scaled(&stand_in, embedded)?;
            sum = Some(match sum {
                None => gradients,
                Some(sum) => self.add(sum, gradients)?,
            });
        }
        let sum = sum.ok_or_else(|| Error::Invalid("the batch is empty".to_owned()))?;
        Ok((loss.f_detach()?, sum))
    }

    /// Embeds a part of a batch. Its dropout is the same each time.
    fn embed(&self, rows: &Rows, part: u64) -> Result<Embedded> {
        self.model.train(&self.texts(rows)?, self.dropout(part))
    }

    fn scaled(&self, loss: &Tensor, embedded: Embedded) -> Result<Gradients> {
        if self.scale == 1.0 {
            return self.model.gradients(loss, embedded);
        }
        let gradients = self.model.gradients(&loss.f_mul_scalar(self.scale)?, embedded)?;
        Ok(Gradients {
            scale: self.scale,
            ..gradients
        })
    }

    fn texts(&self, rows: &Rows) -> Result<Vec<Prompted<'_>>> {
        let places = rows.texts();
        match &self.augment {
            Some(augment) => augment.texts(&places, self.data, self.max_length),
            None => Ok(places
                .into_iter()
                .map(|place| self.data.cut(place, self.max_length))
                .collect()),
        }
    }

    fn dropout(&self, part: u64) -> Dropout {
        Dropout {
            hidden: self.dropout,
            attention: self.dropout,
            seed: derive(self.seed, 0, part),
        }
    }

    /// Adds the gradients of a part to those of the parts before.
    fn add(&self, mut sum: Gradients, part: Gradients) -> Result<Gradients> {
        let _no_grad = tch::no_grad_guard();
        for (sum, part) in sum.tensors.iter_mut().zip(&part.tensors) {
            *sum = sum.f_add(part)?;
        }
        if let (Some((words, rows)), Some((more, more_rows))) = (&mut sum.words, &part.words) {
            let mut all: Vec<i64> = words.iter().chain(more).copied().collect();
            all.sort_unstable();
            all.dedup();
            let at = |words: &[i64]| -> Vec<i64> {
                // Found, since `all` was made of them.
                words
                    .iter()
                    .map(|word| all.partition_point(|other| other < word) as i64)
                    .collect()
            };
            let device = rows.device();
            let place = |words: &[i64]| Tensor::f_from_slice(&at(words))?.f_to_device(device);
            let both = Tensor::f_zeros([all.len() as i64, rows.size2()?.1], (tch::Kind::Float, device))?;
            let both = both
                .f_index_add(0, &place(words)?, rows)?
                .f_index_add(0, &place(more)?, more_rows)?;
            *rows = both;
            *words = all;
        }
        self.model.give_back(part);
        Ok(sum)
    }
}

/// Parts of `rows` rows, at most `most` each, as equal as can be.
fn parts(rows: usize, most: usize) -> Vec<Range<usize>> {
    let count = rows.div_ceil(most).max(1);
    (0..count)
        .map(|part| part * rows / count..(part + 1) * rows / count)
        .collect()
}

fn slice(batch: &Rows, part: &Range<usize>) -> Rows {
    batch.select(&part.clone().collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::parts;

    #[test]
    fn parts_are_as_equal_as_can_be() {
        assert_eq!(parts(8, 8), vec![0..8; 1]);
        assert_eq!(parts(9, 8), [0..4, 4..9]);
        assert_eq!(parts(7, 3), [0..2, 2..4, 4..7]);
        assert_eq!(parts(2, 1), [0..1, 1..2]);
    }
}
