//! Colours: reading them, the 256 of xterm, and how far two stand apart. Pure.

/// Red, green and blue, sRGB.
pub(super) type Rgb = (u8, u8, u8);

/// The names of the first sixteen colours, in their order. A terminal shows them as its own theme has it.
pub(super) const NAMES_16: [&str; 16] = [
    "black",
    "red",
    "green",
    "yellow",
    "blue",
    "magenta",
    "cyan",
    "white",
    "bright-black",
    "bright-red",
    "bright-green",
    "bright-yellow",
    "bright-blue",
    "bright-magenta",
    "bright-cyan",
    "bright-white",
];

/// Reads `#rrggbb`.
pub(super) fn rgb(text: &str) -> Option<Rgb> {
    let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6)?;
    let part = |range| digits.get(range).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    Some((part(0..2)?, part(2..4)?, part(4..6)?))
}

/// The colour that xterm shows for an index from 16 to 255: a cube of six steps a side, then greys (xterm `256colres.h`).
pub(super) fn indexed(index: u8) -> Rgb {
    let step = |n: u8| if n == 0 { 0 } else { 55 + 40 * n };
    match index {
        232..=255 => {
            let grey = 8 + 10 * (index - 232);
            (grey, grey, grey)
        }
        16..=231 => {
            let n = index - 16;
            (step(n / 36), step(n / 6 % 6), step(n % 6))
        }
        // Below 16 the user's own theme decides; nothing is computed from these.
        _ => (0, 0, 0),
    }
}

/// The index from 16 to 255 that looks nearest. Those below are the user's own and may be anything.
pub(super) fn nearest_indexed(colour: Rgb) -> u8 {
    let wanted = lab(colour);
    let distance = |index: &u8| {
        let (l, a, b) = lab(indexed(*index));
        (l - wanted.0).powi(2) + (a - wanted.1).powi(2) + (b - wanted.2).powi(2)
    };
    (16..=255).min_by(|x, y| distance(x).total_cmp(&distance(y))).unwrap_or(16)
}

/// Light, linear, of one part of sRGB (IEC 61966-2-1).
pub(super) fn linear(part: u8) -> f64 {
    let value = f64::from(part) / 255.0;
    if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
}

/// CIE L*a*b* under D65.
pub(super) fn lab((red, green, blue): Rgb) -> (f64, f64, f64) {
    lab_of_linear([linear(red), linear(green), linear(blue)])
}

/// CIE L*a*b* of linear light.
pub(super) fn lab_of_linear([r, g, b]: [f64; 3]) -> (f64, f64, f64) {
    let x = (0.412_456 * r + 0.357_576 * g + 0.180_437 * b) / 0.950_47;
    let y = 0.212_673 * r + 0.715_152 * g + 0.072_175 * b;
    let z = (0.019_334 * r + 0.119_192 * g + 0.950_304 * b) / 1.088_83;
    let f = |t: f64| if t > 216.0 / 24389.0 { t.cbrt() } else { (24389.0 / 27.0 * t + 16.0) / 116.0 };
    (116.0 * f(y) - 16.0, 500.0 * (f(x) - f(y)), 200.0 * (f(y) - f(z)))
}
