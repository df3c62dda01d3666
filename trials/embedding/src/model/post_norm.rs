//! Encoders with a LayerNorm after each residual (post-norm), as BERT has them: their weights by what they are, and what
//! else their computation depends on.

/// What an encoder computes beside its weights.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Width of a token's vector.
    pub hidden: usize,
    /// Width of the feed-forward block.
    pub inner: usize,
    /// Attention heads.
    pub heads: usize,
    /// Layers.
    pub layers: usize,
    /// Added to the variance in LayerNorm.
    pub eps: f64,
    /// Whether dropout reaches the attention output.
    pub drops_output: bool,
}

/// Embeddings of relative positions: numbers that are added to the scores of attention, in every layer the same (Raffel et
/// al., 2020, section 2.1).
#[derive(Debug, Clone)]
pub struct Relative<T> {
    /// A number for each head, `[rows, heads]`.
    pub table: T,
    /// The row for a distance: the key's position less the query's.
    pub bucket: fn(i64) -> usize,
}

/// Where a weight stands in an encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The word embeddings.
    Words,
    /// Anything else below the layers, or shared by all of them.
    Embeddings,
    /// A layer, from 0 at the bottom.
    Layer(usize),
}

/// One `T` for each weight of an encoder: its name, its tensor, its gradient.
#[derive(Debug, Clone)]
pub struct Parts<T> {
    /// The word embeddings, `[vocabulary, hidden]`.
    pub words: T,
    /// The embeddings of absolute positions, `[positions, hidden]`.
    pub positions: T,
    /// The embeddings of token types, `[types, hidden]`. All tokens are of type 0.
    pub types: Option<T>,
    /// The embeddings of relative positions.
    pub relative: Option<Relative<T>>,
    /// The LayerNorm of the embeddings, `[hidden]`.
    pub norm: Affine<T>,
    /// The layers, from the bottom.
    pub layers: Vec<Layer<T>>,
}

/// The weights of a layer.
#[derive(Debug, Clone)]
pub struct Layer<T> {
    /// From token vectors to queries, keys and values, `[3 hidden, hidden]`.
    pub qkv: Affine<T>,
    /// From what the heads attended to, `[hidden, hidden]`.
    pub output: Affine<T>,
    /// The LayerNorm after attention, `[hidden]`.
    pub attention_norm: Affine<T>,
    /// Into the feed-forward block, `[inner, hidden]`.
    pub up: Affine<T>,
    /// Out of it, `[hidden, inner]`.
    pub down: Affine<T>,
    /// The LayerNorm after it, `[hidden]`.
    pub norm: Affine<T>,
}

/// A linear map or the scaling of a LayerNorm.
#[derive(Debug, Clone)]
pub struct Affine<T> {
    /// What is multiplied with.
    pub weight: T,
    /// What is added: one number for each row of the weight, or each number.
    pub bias: T,
}

impl<T> Relative<T> {
    /// The rows for all distances in texts of so many tokens at most, from the farthest key before the query to the
    /// farthest behind it.
    pub fn rows(&self, longest: usize) -> impl Iterator<Item = usize> + use<T> {
        let (bucket, longest) = (self.bucket, longest as i64);
        (1 - longest..longest).map(bucket)
    }
}

impl<T> Parts<T> {
    /// The same parts, each made from one of these.
    pub fn try_map<'a, U, E>(&'a self, mut make: impl FnMut(Place, &'a T) -> Result<U, E>) -> Result<Parts<U>, E> {
        let below = Place::Embeddings;
        Ok(Parts {
            words: make(Place::Words, &self.words)?,
            positions: make(below, &self.positions)?,
            types: self.types.as_ref().map(|part| make(below, part)).transpose()?,
            relative: match &self.relative {
                Some(Relative { table, bucket }) => Some(Relative {
                    table: make(below, table)?,
                    bucket: *bucket,
                }),
                None => None,
            },
            norm: self.norm.try_map(&mut |part| make(below, part))?,
            layers: self
                .layers
                .iter()
                .enumerate()
                .map(|(number, layer)| layer.try_map(&mut |part| make(Place::Layer(number), part)))
                .collect::<Result<_, E>>()?,
        })
    }

    /// All of them in one order: the embeddings, words first, then layer by layer.
    pub fn into_vec(self) -> Vec<T> {
        let Self {
            words,
            positions,
            types,
            relative,
            norm,
            layers,
        } = self;
        let relative = relative.map(|relative| relative.table);
        let tables = [words, positions].into_iter().chain(types);
        tables.chain(others(relative, norm, layers)).collect()
    }

    /// All but the tables that a token has one row of, in the same order.
    pub fn without_tables(self) -> Vec<T> {
        let relative = self.relative.map(|relative| relative.table);
        others(relative, self.norm, self.layers).collect()
    }

    /// References to all of them, in the order of [`Parts::into_vec`].
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        let tables = [&self.words, &self.positions].into_iter().chain(&self.types);
        let layers = self.layers.iter().flat_map(Layer::affines);
        let affine = std::iter::once(&self.norm).chain(layers).flat_map(Affine::array);
        let relative = self.relative.as_ref().map(|relative| &relative.table);
        tables.chain(relative).chain(affine)
    }
}

fn others<T>(relative: Option<T>, norm: Affine<T>, layers: Vec<Layer<T>>) -> impl Iterator<Item = T> {
    let layers = layers.into_iter().flat_map(Layer::into_affines);
    let affine = std::iter::once(norm).chain(layers).flat_map(Affine::into_array);
    relative.into_iter().chain(affine)
}

impl<T> Layer<T> {
    fn try_map<'a, U, E>(&'a self, make: &mut impl FnMut(&'a T) -> Result<U, E>) -> Result<Layer<U>, E> {
        Ok(Layer {
            qkv: self.qkv.try_map(make)?,
            output: self.output.try_map(make)?,
            attention_norm: self.attention_norm.try_map(make)?,
            up: self.up.try_map(make)?,
            down: self.down.try_map(make)?,
            norm: self.norm.try_map(make)?,
        })
    }

    fn into_affines(self) -> [Affine<T>; 6] {
        [
            self.qkv,
            self.output,
            self.attention_norm,
            self.up,
            self.down,
            self.norm,
        ]
    }

    fn affines(&self) -> [&Affine<T>; 6] {
        [
            &self.qkv,
            &self.output,
            &self.attention_norm,
            &self.up,
            &self.down,
            &self.norm,
        ]
    }

    /// References to all of them.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.affines().into_iter().flat_map(Affine::array)
    }
}

impl<T> Affine<T> {
    fn try_map<'a, U, E>(&'a self, make: &mut impl FnMut(&'a T) -> Result<U, E>) -> Result<Affine<U>, E> {
        Ok(Affine {
            weight: make(&self.weight)?,
            bias: make(&self.bias)?,
        })
    }

    fn into_array(self) -> [T; 2] {
        [self.weight, self.bias]
    }

    fn array(&self) -> [&T; 2] {
        [&self.weight, &self.bias]
    }
}
