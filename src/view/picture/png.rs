//! A picture as pixels.

use std::sync::Arc;

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree};

/// How many pixels a unit of the drawing has to either side.
const PIXELS: f32 = 2.0;
/// The family of the font that comes with `hpo`.
const FAMILY: &str = "DejaVu Sans";

/// Why a picture can't be drawn in pixels.
#[derive(Debug, thiserror::Error)]
pub enum PngError {
    /// What was written as SVG can't be read.
    #[error("the picture can't be read: {0}")]
    Svg(#[from] resvg::usvg::Error),
    /// It is too large.
    #[error("the picture is too large for an image of {width} by {height} pixels")]
    Size {
        /// Pixels across.
        width: u32,
        /// Pixels upwards.
        height: u32,
    },
    /// It can't be written as PNG.
    #[error("the image can't be written: {0}")]
    Encoding(String),
}

/// An image of an SVG. Texts are in a font that comes with `hpo`, so that it is the same everywhere; what that does not have is in the
/// machine's fonts.
pub(super) fn png(svg: &str) -> Result<Vec<u8>, PngError> {
    let mut fonts = fontdb::Database::new();
    fonts.load_font_data(dejavu::sans::regular().to_vec());
    fonts.load_font_data(dejavu::sans::bold().to_vec());
    fonts.set_sans_serif_family(FAMILY);
    if !svg.is_ascii() {
        fonts.load_system_fonts();
    }
    let options = Options {
        font_family: FAMILY.to_owned(),
        fontdb: Arc::new(fonts),
        ..Options::default()
    };
    let tree = Tree::from_str(svg, &options)?;
    let size = tree.size();
    let (width, height) = (
        (size.width() * PIXELS).ceil() as u32,
        (size.height() * PIXELS).ceil() as u32,
    );
    let mut image = Pixmap::new(width, height).ok_or(PngError::Size { width, height })?;
    resvg::render(&tree, Transform::from_scale(PIXELS, PIXELS), &mut image.as_mut());
    image
        .encode_png()
        .map_err(|error| PngError::Encoding(error.to_string()))
}
