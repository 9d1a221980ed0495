//! One run: what it is, and its nodes as `argo get` draws them. Only lines in sight are built.

use super::glyphs;
use super::look::{Frame, Look};
use super::runs::{phase_style, with_word};
use super::theme::Role;
use crate::console::layout::Form;
use crate::console::pages::words::moment;
use crate::console::row::{Row, Tone, cut, pad};
use crate::console::state::State;
use crate::console::tree::Line;
use crate::domain::kubernetes::ObjectKey;
use crate::domain::region::Side;
use crate::domain::units::{age, clock};
use crate::domain::workflow::{Node, Nodes, OpenRun, Phase};
use crate::domain::{Timestamp, since};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

pub fn paint(buf: &mut Buffer, area: Rect, state: &State, look: &Look<'_>) {
    let Some((side, key, run)) = &state.fleet.open_run else {
        look.row(buf, Rect { height: 1.min(area.height), ..area }, &Row::of(" No run is opened.", Tone::Dim));
        return;
    };
    let title =
        Row::new().add(key.to_string(), Tone::Strong).dim(" · ").add(state.fleet.name(*side), Tone::Region(*side));
    let room = if state.size.form() == Form::Wide {
        look.pane(buf, area, &title, Frame::Focus)
    } else {
        look.row(buf, Rect { height: 1.min(area.height), ..area }, &Row::new().say(" ").then(title));
        Rect {
            x: area.x + 1,
            y: area.y + 1,
            width: area.width.saturating_sub(2),
            height: area.height.saturating_sub(1),
        }
    };
    let Some(run) = run else {
        let rows = not_there(state, *side, key);
        look.rows(buf, room, &rows);
        return;
    };
    let above = above(state, *side, run, look);
    look.rows(buf, Rect { height: room.height.min(3), ..room }, &above);
    let below = Rect { y: room.y + 3, height: room.height.saturating_sub(3), ..room };
    paint_nodes(buf, below.intersection(room), state, run, look);
}

/// Why there is nothing to see of it.
fn not_there(state: &State, side: Side, key: &ObjectKey) -> Vec<Row> {
    let region = state.fleet.region(side);
    let mut rows = Vec::new();
    if state.tree.gone {
        rows.push(Row::of("It is gone: the server has no run of that name any more.", Tone::Warn));
        rows.push(Row::of("If it was archived, its row is in the database.", Tone::Dim));
    } else if region.api.usable(state.fleet.now) {
        rows.push(Row::of(format!("Asked {} for it; no answer yet.", region.name), Tone::Unknown));
    } else {
        let why = region.api.error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
        rows.push(Row::of(format!("{} does not answer{why}. Its nodes can't be read now.", region.name), Tone::Bad));
        rows.push(Row::of(
            "Pods go on without the API and without a controller; what they do is not known.",
            Tone::Dim,
        ));
    }
    if let Some(row) = region.runs.get(key) {
        let at = region.runs.as_of().map(|at| moment(at, state.fleet.now)).unwrap_or_default();
        rows.push(Row::of(format!("In the list it was {}, as of {at}. {}", row.phase.word(), row.message), Tone::Old));
    }
    rows
}

fn above(state: &State, side: Side, run: &OpenRun, look: &Look<'_>) -> Vec<Row> {
    let now = state.fleet.now;
    let end = run.finished.unwrap_or(now);
    let took = run.detail.started.map(|at| clock(since(at, end))).unwrap_or_else(|| "not started".to_owned());
    let usable = state.fleet.region(side).api.usable(now);
    let tone = if usable { Tone::Strong } else { Tone::Old };
    let suspended = if run.detail.suspended { "  SUSPENDED" } else { "" };
    let template = if run.detail.template.is_empty() { "no template" } else { &run.detail.template };
    let parameters = match run.detail.parameters.as_slice() {
        [] => "none".to_owned(),
        all => all.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("  "),
    };
    vec![
        Row::new()
            .add(with_word(glyphs::phase(run.phase), run.phase.word(), look), tone)
            .add(suspended, Tone::Warn)
            .dim(format!("   created {} ago   runs {took}   progress ", age(since(run.created, now))))
            .say(if run.detail.progress.is_empty() { "?" } else { &run.detail.progress })
            .dim(format!("   {template}")),
        if run.message.is_empty() {
            Row::new().dim("parameters ").say(parameters)
        } else {
            Row::new().dim("message ").say(&*run.message)
        },
        selected(state, run),
    ]
}

/// What the selected node says, in a line of its own: beside the node there is seldom room for all of it.
fn selected(state: &State, run: &OpenRun) -> Row {
    let (Nodes::Here(nodes), Some(line)) = (&run.nodes, state.tree.lines.get(state.tree.cursor)) else {
        return Row::new();
    };
    match nodes.get(&line.id) {
        Some(node) if !node.message.is_empty() => Row::new().dim(format!("{} ", node.name)).say(message(node)),
        _ => Row::new(),
    }
}

const DURATION: usize = 9;

/// Columns from which on there is room for templates.
const TEMPLATES: usize = 100;

fn paint_nodes(buf: &mut Buffer, area: Rect, state: &State, run: &OpenRun, look: &Look<'_>) {
    if area.height == 0 {
        return;
    }
    let nodes = match &run.nodes {
        Nodes::Here(nodes) if !nodes.is_empty() => nodes,
        Nodes::Here(_) => {
            return say(buf, area, look, "It has no node yet: no controller has worked on it.", Tone::Dim);
        }
        Nodes::Offloaded(version) => {
            let text = format!("Its nodes are in the database and not on the wire (offloaded, version {version}).");
            return say(buf, area, look, &text, Tone::Warn);
        }
        Nodes::Unreadable(why) => return say(buf, area, look, &format!("Its nodes can't be read: {why}"), Tone::Bad),
    };
    let total = usize::from(area.width);
    let name = (total * 2 / 5).clamp(20, 60);
    let template = if total < TEMPLATES { "" } else { "TEMPLATE     " };
    let head = format!("{}  {:<13}{:>DURATION$}  {template}MESSAGE", pad("NODE", name), "STATUS", "DURATION");
    buf.set_stringn(area.x, area.y, head, total, look.role(Role::Header));
    let below = Rect { y: area.y + 1, height: area.height - 1, ..area };
    for (at, line) in state.tree.in_sight(usize::from(below.height)).iter().enumerate() {
        let Some(node) = nodes.get(&line.id) else { continue };
        let place = Rect { y: below.y + u16::try_from(at).unwrap_or(0), height: 1, ..below };
        paint_node(buf, place, (line, node, name), state.fleet.now, look);
        if state.tree.offset + at == state.tree.cursor {
            look.select(buf, place);
        }
    }
}

fn say(buf: &mut Buffer, area: Rect, look: &Look<'_>, text: &str, tone: Tone) {
    look.row(buf, Rect { height: 1, ..area }, &Row::of(text, tone));
}

fn paint_node(
    buf: &mut Buffer,
    place: Rect,
    (line, node, columns): (&Line, &Node, usize),
    now: Timestamp,
    look: &Look<'_>,
) {
    let signs = glyphs::tree(look.set);
    let mut prefix = String::new();
    // The first level stands under the root; the root itself has no branch.
    for bar in line.bars.iter().skip(1) {
        prefix.push_str(if *bar { signs.bar } else { signs.gap });
        prefix.push(' ');
    }
    if !line.bars.is_empty() {
        prefix.push_str(if line.last { signs.last } else { signs.branch });
        prefix.push(' ');
    }
    let suspended = node.kind == "Suspend" && node.phase == Phase::Running;
    let (mark, word) =
        if suspended { (glyphs::SUSPENDED, "Suspend") } else { (glyphs::phase(node.phase), node.phase.word()) };
    let attempt = line.attempt.map(|attempt| format!(" (attempt {attempt})")).unwrap_or_default();
    let seen = if line.seen { " (see above)" } else { "" };
    let style = phase_style(node.phase, look);
    let room = |x: u16| usize::from(place.right().saturating_sub(x));
    let label = pad(&format!("{prefix}{}{attempt}{seen}", node.name), columns);
    buf.set_stringn(place.x, place.y, look.clean(&label), room(place.x).min(columns), Style::default());
    let mut x = place.x + u16::try_from(columns + 2).unwrap_or(0);
    let mut put = |text: &str, wide: usize, style: Style| {
        if x < place.right() {
            buf.set_stringn(x, place.y, look.clean(text), room(x).min(wide), style);
            x = x.saturating_add(u16::try_from(wide).unwrap_or(u16::MAX));
        }
    };
    put(&pad(&with_word(mark, word, look), 12), 13, style);
    let took = node.started.map(|at| clock(since(at, node.finished.unwrap_or(now)))).unwrap_or_default();
    put(&format!("{took:>DURATION$}  "), DURATION + 2, look.role(Role::Dim));
    if usize::from(place.width) >= TEMPLATES {
        put(&pad(&node.template, 12), 13, look.role(Role::Dim));
    }
    let message = cut(&message(node), room(x));
    if x < place.right() {
        buf.set_stringn(x, place.y, look.clean(&message), room(x), Style::default());
    }
}

fn message(node: &Node) -> String {
    let code = node.exit_code.as_ref().filter(|code| *code != "0" && !node.message.contains(&**code));
    let code = code.map(|code| format!("exit {code}"));
    let host = node.host.as_ref().map(|host| format!("on {host}")).filter(|_| node.phase == Phase::Running);
    let parts = [code, host, Some(node.message.clone()).filter(|text| !text.is_empty())];
    parts.into_iter().flatten().collect::<Vec<_>>().join("  ")
}
