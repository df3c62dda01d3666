//! Embeddings of many texts.

use tch::{Kind, Tensor};

use crate::alive::LongWork;
use crate::error::Result;
use crate::model::{Model, normalise};
use crate::tokens::Prompted;

/// Tokens of one packed batch.
const TOKENS: usize = 4096;

/// A model's embeddings of `count` texts in evaluation mode, `[texts, hidden]`, in the order of their places; at least one. `text` gives
/// their tokens. They are `scaled` to length 1, or as the model gives them. Beside the embeddings, only those of one batch are held in
/// memory. `what` describes the work.
pub fn embed<'t>(
    model: &Model,
    count: usize,
    text: impl Fn(u32) -> Prompted<'t>,
    scaled: bool,
    what: &'static str,
) -> Result<Tensor> {
    let mut order: Vec<u32> = (0..count as u32).collect();
    order.sort_by_cached_key(|&place| text(place).tokens.len());
    let _no_grad = tch::no_grad_guard();
    let mut all: Option<Tensor> = None;
    let mut add = |places: &[i64], texts: &[Prompted<'_>]| -> Result<()> {
        let rows = model.embed(texts)?;
        let rows = if scaled { normalise(&rows)? } else { rows };
        let places = Tensor::f_from_slice(places)?.f_to_device(rows.device())?;
        let all = match &mut all {
            Some(all) => all,
            None => {
                let shape = [count as i64, rows.size2()?.1];
                all.insert(Tensor::f_empty(shape, (Kind::Float, rows.device()))?)
            }
        };
        let _ = all.f_index_copy_(0, &places, &rows)?;
        Ok(())
    };
    let (mut places, mut texts) = (Vec::new(), Vec::new());
    let mut tokens = 0;
    let mut work = LongWork::new(what, count);
    for (done, &place) in order.iter().enumerate() {
        let text = text(place);
        if tokens + text.tokens.len() > TOKENS && !texts.is_empty() {
            work.done(done);
            add(&places, &texts)?;
            places.clear();
            texts.clear();
            tokens = 0;
        }
        tokens += text.tokens.len();
        places.push(i64::from(place));
        texts.push(text);
    }
    add(&places, &texts)?;
    match all {
        Some(all) => Ok(all),
        None => Ok(Tensor::f_empty([0, 0], (Kind::Float, tch::Device::Cpu))?),
    }
}
