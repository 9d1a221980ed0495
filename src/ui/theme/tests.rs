//! That themes are legible, that nothing rests on hue alone, and what a wrong one is told.

use super::colour::{indexed, lab_of_linear, linear};
use super::*;

type Rgb = (u8, u8, u8);

fn theme(name: &str) -> Theme {
    Theme::built_in(name).unwrap_or_else(|problems| panic!("{name}: {}", said(&problems)))
}

fn said(problems: &[Problem]) -> String {
    problems.iter().map(Problem::headline).collect::<Vec<_>>().join("\n")
}

fn refused(text: &str) -> String {
    match Theme::load("mine.toml", text) {
        Ok(_) => panic!("accepted: {text}"),
        Err(problems) => said(&problems),
    }
}

/// What a colour looks like; `None` for the terminal's own.
fn seen(colour: Option<Color>) -> Option<Rgb> {
    match colour {
        Some(Color::Rgb(r, g, b)) => Some((r, g, b)),
        Some(Color::Indexed(index)) if index >= 16 => Some(indexed(index)),
        _ => None,
    }
}

/// Contrast of WCAG 2.2, from 1 to 21.
fn contrast(one: Rgb, other: Rgb) -> f64 {
    let light = |(r, g, b): Rgb| 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
    let (a, b) = (light(one), light(other));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

/// What an eye without one kind of cone sees, in linear light (Machado, Oliveira, Fernandes 2009, severity 1.0).
fn dichromat(colour: Rgb, matrix: [[f64; 3]; 3]) -> (f64, f64, f64) {
    let light = [linear(colour.0), linear(colour.1), linear(colour.2)];
    let mixed = matrix.map(|row| row.iter().zip(light).map(|(m, l)| m * l).sum::<f64>().clamp(0.0, 1.0));
    lab_of_linear(mixed)
}

const EYES: [(&str, [[f64; 3]; 3]); 4] = [
    ("all three", [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]),
    ("no red", [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]),
    ("no green", [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]),
    ("no blue", [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]),
];

#[test]
fn the_measures_know_their_fixed_points() {
    assert!((contrast((0, 0, 0), (255, 255, 255)) - 21.0).abs() < 1e-9);
    assert!((contrast((119, 119, 119), (255, 255, 255)) - 4.48).abs() < 0.01);
    assert_eq!(colour::nearest_indexed((255, 0, 0)), 196);
    assert_eq!(colour::nearest_indexed((8, 8, 8)), 232);
    for index in 16..=255u8 {
        assert_eq!(indexed(colour::nearest_indexed(indexed(index))), indexed(index));
    }
}

#[test]
fn every_built_in_theme_is_taken_and_knows_every_role() {
    for (name, text) in BUILT_IN {
        assert_eq!(theme(name).name(), name);
        for role in Role::ALL {
            let written = text.lines().any(|line| line.starts_with(&format!("{} = ", role.name())));
            assert!(written, "{name} does not say how {} looks", role.name());
        }
    }
}

#[test]
fn what_is_read_is_legible() {
    for name in ["default-dark", "default-light", "high-contrast", "cvd-safe"] {
        let theme = theme(name);
        let least = if name == "high-contrast" { 7.0 } else { 4.5 };
        for level in [Level::TrueColour, Level::Indexed] {
            let paper = seen(theme.style(Role::Text, level).bg).unwrap();
            for role in Role::ALL.iter().filter(|role| **role != Role::Border) {
                let style = theme.style(*role, level);
                let ground = seen(style.bg).unwrap_or(paper);
                let ink = seen(style.fg).unwrap();
                let ratio = contrast(ink, ground);
                assert!(ratio >= least, "{name}, {level:?}: {} has a contrast of {ratio:.2}", role.name());
            }
            // A state's colour stays legible on the line under the cursor.
            let ground = seen(theme.style(Role::Selected, level).bg).unwrap();
            for role in Role::ALL.iter().filter(|role| role.mark().is_some()) {
                let ratio = contrast(seen(theme.style(*role, level).fg).unwrap(), ground);
                assert!(ratio >= 3.0, "{name}, {level:?}: {} under the cursor has {ratio:.2}", role.name());
            }
        }
    }
}

#[test]
fn good_warn_and_bad_stand_apart_for_every_eye() {
    let theme = theme("cvd-safe");
    let verdicts = [Role::Good, Role::Warn, Role::Bad, Role::Unknown];
    let regions = [Role::RegionA, Role::RegionB];
    for level in [Level::TrueColour, Level::Indexed] {
        for (eye, matrix) in EYES {
            for group in [&verdicts[..], &regions[..]] {
                for (index, one) in group.iter().enumerate() {
                    for other in &group[index + 1..] {
                        let at = |role: Role| dichromat(seen(theme.style(role, level).fg).unwrap(), matrix);
                        let (a, b) = (at(*one), at(*other));
                        let apart = ((a.0 - b.0).powi(2) + (a.1 - b.1).powi(2) + (a.2 - b.2).powi(2)).sqrt();
                        // A difference of 2.3 is just noticed (Mahy 1994); on a screen of text it takes far more.
                        assert!(
                            apart >= 18.0,
                            "{eye}, {level:?}: {} and {} are {apart:.1} apart",
                            one.name(),
                            other.name()
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn states_differ_by_mark_or_attribute_without_any_colour() {
    let states = [Role::Good, Role::Warn, Role::Bad, Role::Unknown, Role::Overridden, Role::Stale];
    for set in [GlyphSet::Unicode, GlyphSet::Ascii] {
        for (index, one) in states.iter().enumerate() {
            for other in &states[index + 1..] {
                assert_ne!(Theme::mark(*one, set), Theme::mark(*other, set));
                assert!(!Theme::mark(*one, set).is_empty());
            }
        }
    }
    for (name, _) in BUILT_IN {
        let mono = |role| theme(name).style(role, Level::Mono);
        for role in Role::ALL {
            assert_eq!((mono(*role).fg, mono(*role).bg), (None, None), "{name}: colour at mono in {}", role.name());
        }
        assert_ne!(mono(Role::Selected), mono(Role::Text), "{name}");
        assert_ne!(mono(Role::Good), mono(Role::Bad), "{name}");
        assert_ne!(mono(Role::Good), mono(Role::Overridden), "{name}");
        assert_ne!(mono(Role::Stale), mono(Role::Text), "{name}");
    }
}

#[test]
fn each_level_sends_only_what_it_may() {
    for (name, _) in BUILT_IN {
        let theme = theme(name);
        for role in Role::ALL {
            for colour in
                [Level::Ansi16, Level::Indexed].map(|level| theme.style(*role, level)).iter().flat_map(|s| [s.fg, s.bg])
            {
                assert!(!matches!(colour, Some(Color::Rgb(..))), "{name} {}", role.name());
            }
            let sixteen = theme.style(*role, Level::Ansi16);
            assert!([sixteen.fg, sixteen.bg].iter().all(|c| !matches!(c, Some(Color::Indexed(_)))), "{name}");
        }
    }
    let style = theme("default-dark").style(Role::Bad, Level::Ansi16);
    assert_eq!((style.fg, style.add_modifier), (Some(Color::LightRed), Modifier::BOLD));
}

#[test]
fn a_theme_of_ones_own_holds_only_what_differs() {
    let text = "schema = 1\n[palette]\ncalm = { rgb = \"#00ff00\", ansi256 = 46, ansi16 = \"green\" }\n[roles]\nwarn = { fg = \"pink\", attributes = [\"italic\"] }\n";
    let theme = Theme::load("/home/ann/mine.toml", text).unwrap();
    assert_eq!(theme.name(), "mine");
    assert_eq!(theme.style(Role::Good, Level::TrueColour).fg, Some(Color::Rgb(0, 255, 0)));
    assert_eq!(theme.style(Role::Good, Level::Indexed).fg, Some(Color::Indexed(46)));
    assert_eq!(theme.style(Role::Warn, Level::Mono).add_modifier, Modifier::ITALIC | Modifier::UNDERLINED);
    let dark = Theme::built_in("default-dark").unwrap();
    assert_eq!(theme.style(Role::Bad, Level::TrueColour), dark.style(Role::Bad, Level::TrueColour));
    let light = Theme::load("x", "schema = 1\nextends = \"default-light\"\n").unwrap();
    let wanted = Theme::built_in("default-light").unwrap();
    assert_eq!(light.style(Role::Text, Level::TrueColour), wanted.style(Role::Text, Level::TrueColour));
}

#[test]
fn what_is_wrong_is_said() {
    let table = [
        ("schema = 2", "mine.toml:1:10: schema 2 is not known here"),
        (
            "schema = 1\nextends = \"defualt-dark\"",
            "no theme \"defualt-dark\" to extend; there are default-dark, default-light, ansi16, mono, high-contrast, cvd-safe; did you mean \"default-dark\"?",
        ),
        ("schema = 1\n[roles]\ngod = { fg = \"calm\" }", "mine.toml:3:1: no role \"god\"; did you mean \"good\"?"),
        (
            "schema = 1\n[roles]\ngood = { fg = \"clam\" }",
            "mine.toml:3:15: no colour \"clam\" in the palette; did you mean \"calm\"?",
        ),
        ("schema = 1\n[roles]\ngood = { attributes = [\"blod\"] }", "no attribute \"blod\"; did you mean \"bold\"?"),
        ("schema = 1\n[roles]\ngood = { attributes = [\"blink\"] }", "nothing blinks here"),
        ("schema = 1\n[roles]\ngood = { color = \"calm\" }", "unknown key \"color\" in [roles.good]"),
        ("schema = 1\n[palette]\nx = { rgb = \"#12345\" }", "\"#12345\" is no colour like"),
        ("schema = 1\n[palette]\nx = { rgb = \"#12345é\" }", "is no colour like"),
        (
            "schema = 1\n[palette]\nx = { ansi16 = \"bright-rde\" }",
            "no colour \"bright-rde\" among the sixteen; did you mean \"bright-red\"?",
        ),
        ("schema = 1\n[palette]\nx = { ansi256 = 256 }", "must be a whole number, 0 or more"),
        ("schema = 1\n[palette]\na = {}\nb = {}\nc = {}", "a palette of 17 colours; at most 16"),
        (
            "schema = 1\n[roles]\nregion-b = { fg = \"blue\", attributes = [\"bold\"] }",
            "region-a and region-b look the same on a terminal of mono colours",
        ),
        (
            "schema = 1\n[roles]\nregion-b = { fg = \"blue\", attributes = [\"bold\"], mono = [\"dim\"] }",
            "region-a and region-b look the same on a terminal of 16 colours",
        ),
        (
            "schema = 1\n[palette]\nviolet = { rgb = \"#79b8fe\", ansi16 = \"magenta\" }\n[roles]\nregion-b = { fg = \"violet\", attributes = [\"bold\"], mono = [\"dim\"] }",
            "region-a and region-b look the same on a terminal of 256 colours",
        ),
        (
            "schema = 1\n[roles]\ndanger-border = { fg = \"line\", mono = [\"bold\"] }",
            "danger-border and border look the same",
        ),
    ];
    for (text, wanted) in table {
        assert!(refused(text).contains(wanted), "{text}\nwanted {wanted}\ngot {}", refused(text));
    }
    let unknown = Theme::built_in("dark").unwrap_err();
    assert!(said(&unknown).contains("no theme \"dark\"; there are default-dark"), "{}", said(&unknown));
}
