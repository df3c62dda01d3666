//! The parts of the backward pass.

use super::{Common, Norm, Share, Text, fit};
use crate::error::Result;
use crate::model::dropout::Site;
use crate::model::native::product::{Matrix, multiply, multiply_add};
use crate::model::native::{attention, rows};
use crate::model::post_norm::{Affine, Layer, Parts};

impl Share {
    pub(super) fn feed_backward(
        &mut self,
        common: &Common<'_>,
        to: &mut Layer<&mut [f32]>,
        number: usize,
    ) -> Result<()> {
        let (settings, weights) = (common.settings, &common.weights.layers[number]);
        let (tokens, width, wide) = (self.tokens, settings.hidden, settings.inner);
        let layer = &mut self.layers[number];
        let gradient = fit(&mut self.gradient, tokens * width)?;
        let branch = fit(&mut self.narrow, tokens * width)?;
        let residual = Residual {
            common,
            site: Site::Feed(number),
            texts: &self.texts,
            norm: weights.norm.weight,
        };
        residual.backward(&mut layer.norm, gradient, branch, to.down.bias, &mut to.norm)?;
        let slopes = &mut fit(&mut self.wide, tokens * wide.max(3 * width))?[..tokens * wide];
        multiply(
            slopes,
            Matrix::new(branch, width),
            Matrix::new(weights.down.weight, wide),
        )?;
        let inner = fit(&mut layer.inner, tokens * wide)?;
        to.up.bias.fill(0.0);
        rows::gelu_backward(inner, slopes, to.up.bias);
        multiply(to.down.weight, Matrix::new(branch, width).t(), Matrix::new(inner, wide))?;
        let between = &layer.between[..tokens * width];
        multiply(to.up.weight, Matrix::new(slopes, wide).t(), Matrix::new(between, width))?;
        multiply_add(
            gradient,
            Matrix::new(slopes, wide),
            Matrix::new(weights.up.weight, width),
        )
    }

    /// The gradient of the layer's input is taken only if there is something `deeper`.
    pub(super) fn attend_backward(
        &mut self,
        common: &Common<'_>,
        to: &mut Layer<&mut [f32]>,
        number: usize,
        deeper: bool,
    ) -> Result<()> {
        let (settings, weights) = (common.settings, &common.weights.layers[number]);
        let (tokens, width) = (self.tokens, settings.hidden);
        let layer = &mut self.layers[number];
        let gradient = fit(&mut self.gradient, tokens * width)?;
        let branch = fit(&mut self.narrow, tokens * width)?;
        let residual = Residual {
            common,
            site: Site::Output(number),
            texts: &self.texts,
            norm: weights.attention_norm.weight,
        };
        residual.backward(
            &mut layer.output_norm,
            gradient,
            branch,
            to.output.bias,
            &mut to.attention_norm,
        )?;
        let to_attended = fit(&mut self.other, tokens * width)?;
        multiply(
            to_attended,
            Matrix::new(branch, width),
            Matrix::new(weights.output.weight, width),
        )?;
        let attended = &layer.attended[..tokens * width];
        multiply(
            to.output.weight,
            Matrix::new(branch, width).t(),
            Matrix::new(attended, width),
        )?;
        let qkv = &layer.qkv[..tokens * 3 * width];
        let to_qkv = &mut self.wide[..tokens * 3 * width];
        for text in &self.texts {
            let shape = common.attention(text.length);
            attention::attend_backward(
                shape,
                &common.mask(Site::Attention(number), text.place),
                common.bias.map(|bias| (bias, self.bias.as_mut_slice())),
                &qkv[text.of(3 * width)],
                &layer.logs[text.of(settings.heads)],
                &to_attended[text.of(width)],
                &mut to_qkv[text.of(3 * width)],
                fit(&mut self.scratch, shape.scratch())?,
            );
        }
        to.qkv.bias.fill(0.0);
        rows::column_sums(to_qkv, to.qkv.bias);
        let state = &self.states[number][..tokens * width];
        multiply(
            to.qkv.weight,
            Matrix::new(to_qkv, 3 * width).t(),
            Matrix::new(state, width),
        )?;
        if deeper {
            multiply_add(
                gradient,
                Matrix::new(to_qkv, 3 * width),
                Matrix::new(weights.qkv.weight, width),
            )?;
        }
        Ok(())
    }

    pub(super) fn embed_backward(&mut self, common: &Common<'_>, to: &mut Parts<&mut [f32]>) -> Result<()> {
        let width = common.settings.hidden;
        let gradient = fit(&mut self.gradient, self.tokens * width)?;
        for text in &self.texts {
            let mask = common.mask(Site::Embeddings, text.place);
            rows::drop_rows(&mask, &mut gradient[text.of(width)]);
        }
        let (normalised, scales) = self.norm.fit(self.tokens, width)?;
        let Affine { weight, bias } = &mut to.norm;
        weight.fill(0.0);
        bias.fill(0.0);
        rows::norm_backward(gradient, normalised, scales, common.weights.norm.weight, weight, bias);
        Ok(())
    }
}

/// `LayerNorm(dropout(branch + bias) + residual)` at one site.
struct Residual<'a> {
    common: &'a Common<'a>,
    site: Site,
    texts: &'a [Text],
    /// What LayerNorm multiplies with.
    norm: &'a [f32],
}

impl Residual<'_> {
    /// `gradient` is that of the whole and becomes that of the residual; `branch`, `to_bias` and `to` become those of the
    /// branch, its bias and LayerNorm's weights.
    fn backward(
        &self,
        norm: &mut Norm,
        gradient: &mut [f32],
        branch: &mut [f32],
        to_bias: &mut [f32],
        to: &mut Affine<&mut [f32]>,
    ) -> Result<()> {
        let width = self.norm.len();
        let (normalised, scales) = norm.fit(gradient.len() / width, width)?;
        for sum in [&mut *to_bias, &mut *to.weight, &mut *to.bias] {
            sum.fill(0.0);
        }
        for text in self.texts {
            let part = text.of(width);
            rows::residual_norm_backward(
                &self.common.mask(self.site, text.place),
                &mut gradient[part.clone()],
                &normalised[part.clone()],
                &scales[text.of(1)],
                self.norm,
                &mut branch[part],
                to_bias,
                to.weight,
                to.bias,
            );
        }
        Ok(())
    }
}
