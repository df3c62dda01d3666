//! A drawing as SVG: its colours are classes, so that one style serves a file, a page, and dark surroundings.

use std::fmt::Write;

use crate::diagnostic::visible;

/// The colours on a light ground, and what does not depend on it. What has a meaning has a colour of Okabe and Ito ("Color Universal
/// Design", 2008), which people who see few colours can tell apart, and a shape or a width of its own.
pub(in crate::view) const STYLE: &str = "\
.hpo{font-family:'DejaVu Sans',system-ui,sans-serif;font-size:11px}
.hpo text{fill:currentColor;stroke:none}
.hpo text.label{stroke:#ffffff;stroke-width:3;stroke-linejoin:round;paint-order:stroke}
.hpo .back{fill:#ffffff}
.hpo .ink{color:#222222}
.hpo .faint{color:#595959}
.hpo .heading{font-weight:600;font-size:12px}
.hpo .grid{color:#e4e4e4}
.hpo .rung{color:#8a8a8a;stroke-dasharray:2 3}
.hpo .untrained{color:#222222;stroke-width:1.5;stroke-dasharray:7 4}
.hpo .completed{color:#0072b2}
.hpo .pruned{color:#999999}
.hpo .infeasible{color:#7a6a5a}
.hpo .line.infeasible{stroke-dasharray:3 4}
.hpo .open{color:#b37700}
.hpo .diverged{color:#c44a00}
.hpo .failed{color:#aa4f86}
.hpo .best{color:#009e73}
.hpo .ahead{color:#56b4e9}
.hpo .line{fill:none;stroke:currentColor}
.hpo .thin{stroke-width:1;stroke-opacity:.55}
.hpo .wide{stroke-width:2.5}
.hpo .bar{fill:currentColor;stroke:none}
.hpo .dot{fill:none;stroke:currentColor;stroke-width:6;stroke-linecap:round}
.hpo .dot.pruned{stroke-width:4}
.hpo .dot.best{stroke-width:9}
.hpo .on-bar{color:#ffffff}
.hpo .mark{fill:none;stroke:currentColor;stroke-width:1.5}
";

/// What is different on a dark ground.
pub(in crate::view) const DARK: &str = "\
.hpo text.label{stroke:#16181c}
.hpo .back{fill:#16181c}
.hpo .ink{color:#e8e8e8}
.hpo .faint{color:#a8a8a8}
.hpo .grid{color:#33363c}
.hpo .rung{color:#85888f}
.hpo .untrained{color:#e8e8e8}
.hpo .completed{color:#56b4e9}
.hpo .pruned{color:#7d7d7d}
.hpo .infeasible{color:#a8998a}
.hpo .open{color:#e69f00}
.hpo .diverged{color:#ff7f2a}
.hpo .failed{color:#d98cb8}
.hpo .best{color:#1fc796}
.hpo .ahead{color:#2f6f9e}
.hpo .on-bar{color:#101214}
";

/// A text in XML and HTML. What does not show, and what XML does not allow, is made visible.
pub(in crate::view) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in visible(text).chars() {
        match c {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\'' => escaped += "&#39;",
            // The two that are characters and that XML does not allow.
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

/// Where a text is by its place.
#[derive(Debug, Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

impl Anchor {
    fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Middle => "middle",
            Self::End => "end",
        }
    }
}

/// What is drawn, in pixels from the upper left corner.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Drawing {
    pub width: f64,
    pub height: f64,
    pub body: String,
}

impl Drawing {
    pub fn new(width: f64, height: f64) -> Self {
        let body = String::new();
        Self { width, height, body }
    }

    /// A text of one line.
    pub fn text(&mut self, (x, y): (f64, f64), anchor: Anchor, class: &str, text: &str) {
        let text = escaped(text);
        self.add(format_args!(
            "<text class=\"{class}\" x=\"{}\" y=\"{}\" text-anchor=\"{}\">{text}</text>\n",
            short(x),
            short(y),
            anchor.name()
        ));
    }

    /// The same, cut to a width; the whole is shown to whoever points at it.
    pub fn cut_text(&mut self, at: (f64, f64), anchor: Anchor, class: &str, text: &str, width: f64) {
        let cut = cut(text, width);
        if cut == text {
            return self.text(at, anchor, class, text);
        }
        self.add(format_args!("<g><title>{}</title>", escaped(text)));
        self.text(at, anchor, class, &cut);
        self.body += "</g>\n";
    }

    /// A text that is read from bottom to top, with its middle at a place.
    pub fn upright_text(&mut self, (x, y): (f64, f64), class: &str, text: &str) {
        let (x, y, text) = (short(x), short(y), escaped(text));
        self.add(format_args!(
            "<text class=\"{class}\" transform=\"translate({x} {y}) rotate(-90)\" text-anchor=\"middle\">{text}</text>\n"
        ));
    }

    /// A path, with what is shown to whoever points at it.
    pub fn path(&mut self, class: &str, path: &str, title: Option<&str>) {
        if path.is_empty() {
            return;
        }
        match title {
            None => self.add(format_args!("<path class=\"{class}\" d=\"{path}\"/>\n")),
            Some(title) => self.add(format_args!(
                "<path class=\"{class}\" d=\"{path}\"><title>{}</title></path>\n",
                escaped(title)
            )),
        }
    }

    /// A straight line.
    pub fn line(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        let path = polyline(&[from, to]);
        self.path(&format!("{class} line"), &path, None);
    }

    fn add(&mut self, arguments: std::fmt::Arguments<'_>) {
        // Writing to a text can't fail.
        let _ = self.body.write_fmt(arguments);
    }
}

/// The path along these points.
pub(super) fn polyline(points: &[(f64, f64)]) -> String {
    let mut path = String::new();
    for (place, &(x, y)) in points.iter().enumerate() {
        let letter = if place == 0 { 'M' } else { 'L' };
        let _ = write!(path, "{letter}{} {}", short(x), short(y));
    }
    path
}

/// The path around a rectangle.
pub(super) fn rectangle((x, y): (f64, f64), width: f64, height: f64) -> String {
    let (width, height) = (short(width), short(height));
    format!("M{} {}h{width}v{height}h-{width}z", short(x), short(y))
}

/// A coordinate to a tenth of a pixel.
pub(super) fn short(x: f64) -> String {
    let tenths = (x * 10.0).round() / 10.0;
    // Adding zero makes -0 a 0.
    (tenths + 0.0).to_string()
}

/// About how wide a text is: it is not known which font shows it.
pub(super) fn width_of(text: &str) -> f64 {
    let wide = |c: char| if u32::from(c) < 0x1100 { 6.4 } else { 12.0 };
    text.chars().map(wide).sum()
}

/// A text, or as much of it as fits.
fn cut(text: &str, width: f64) -> String {
    if width_of(text) <= width {
        return text.to_owned();
    }
    let mut kept = String::new();
    for c in text.chars() {
        kept.push(c);
        if width_of(&kept) + 7.0 > width {
            kept.pop();
            break;
        }
    }
    kept + "…"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_others_stay_texts() {
        assert_eq!(
            escaped("<a b='\"&\u{1}\n\u{202e}"),
            "&lt;a b=&#39;&quot;&amp;\u{2401}\u{240a}\u{fffd}"
        );
        let mut drawing = Drawing::new(9.0, 9.0);
        drawing.cut_text((0.0, -0.01), Anchor::End, "ink", "a long <text>", 40.0);
        let cut = "<g><title>a long &lt;text&gt;</title><text class=\"ink\" x=\"0\" y=\"0\" text-anchor=\"end\">a lon…</text>\n</g>\n";
        assert_eq!(drawing.body, cut);
    }

    #[test]
    fn paths_are_short() {
        assert_eq!(polyline(&[(1.0, 2.04), (3.0, 4.06)]), "M1 2L3 4.1");
        assert_eq!(rectangle((0.0, 1.0), 2.5, 3.0), "M0 1h2.5v3h-2.5z");
    }
}
