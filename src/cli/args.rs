//! The command line.

use crate::ui::glyphs::GlyphSet;
use crate::ui::theme::Level;
use clap::{Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Sees two Argo Workflows regions at once, and leads a failover between them step by step.
#[derive(Debug, Parser)]
#[command(version, after_help = EXIT_CODES)]
pub struct Args {
    /// Configuration file [default: $LEEWARD_CONFIG, ~/.config/leeward/config.toml, /etc/leeward/config.toml].
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Set one value of the configuration for this call, such as regions.us-east1.context=x.
    #[arg(long, global = true, value_name = "PATH=VALUE")]
    pub set: Vec<String>,
    /// Keys over the built-in ones: a preset (default, vim, k9s) or a file.
    #[arg(long, global = true, value_name = "NAME|FILE")]
    pub keymap: Option<String>,
    /// Colours: a built-in theme (see leeward theme list) or a file.
    #[arg(long, global = true, value_name = "NAME|FILE")]
    pub theme: Option<String>,
    /// How many colours to send, whatever the environment says.
    #[arg(long, global = true, value_enum)]
    pub colours: Option<Colours>,
    /// Which signs to draw, whatever the environment says.
    #[arg(long, global = true, value_enum)]
    pub glyphs: Option<Glyphs>,
    /// What to do; without it, the console opens.
    #[command(subcommand)]
    pub command: Option<Command>,
}

const EXIT_CODES: &str = "Exit codes: 0 done (status: a failover can be led); 1 failed (journal verify: a journal is damaged or \
torn); 2 bad command line, configuration or file; 3 status, plan: a failover is blocked; 4 a run waits for a person; 5 a run \
was given up.";

/// How many colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Colours {
    /// None; attributes only.
    None,
    /// Sixteen.
    #[value(name = "16")]
    Sixteen,
    /// 256.
    #[value(name = "256")]
    Indexed,
    /// 24 bits.
    True,
}

impl From<Colours> for Level {
    fn from(colours: Colours) -> Level {
        match colours {
            Colours::None => Level::Mono,
            Colours::Sixteen => Level::Ansi16,
            Colours::Indexed => Level::Indexed,
            Colours::True => Level::TrueColour,
        }
    }
}

/// Which signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Glyphs {
    /// ASCII only.
    Ascii,
    /// Signs beyond ASCII.
    Unicode,
}

impl From<Glyphs> for GlyphSet {
    fn from(glyphs: Glyphs) -> GlyphSet {
        match glyphs {
            Glyphs::Ascii => GlyphSet::Ascii,
            Glyphs::Unicode => GlyphSet::Unicode,
        }
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// The console with clients that cannot write.
    Watch {
        /// No screen: the status once, then a line for each thing that changes, until ctrl-c. For screen readers, logs and
        /// slow lines.
        #[arg(long)]
        plain: bool,
    },
    /// What is true in both regions, and what a failover now would need, lose and take.
    Status {
        /// Form of the output.
        #[arg(short, long, value_enum, default_value_t = Output::Text)]
        output: Output,
    },
    /// The simulated regions alone, for kubectl, k9s, curl and tests; ends with ctrl-c.
    #[cfg(feature = "sandbox")]
    Sandbox,
    /// A drill on the simulated regions: the console with a scenario, or without a terminal the whole walk.
    #[cfg(feature = "sandbox")]
    Drill {
        /// The scenario.
        #[arg(default_value = "region-outage")]
        scenario: String,
    },
    /// Playbooks: list, check, plan, run, resume, abort, undo.
    #[command(subcommand)]
    Playbook(PlaybookCommand),
    /// Journals of runs.
    #[command(subcommand)]
    Journal(JournalCommand),
    /// The configuration file.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Keymaps.
    #[command(subcommand)]
    Keymap(KeymapCommand),
    /// Themes.
    #[command(subcommand)]
    Theme(ThemeCommand),
}

/// Form of an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// Lines for people.
    Text,
    /// One JSON document.
    Json,
}

/// What to do with playbooks.
#[derive(Debug, Subcommand)]
pub enum PlaybookCommand {
    /// Every playbook there is.
    List,
    /// Read a playbook file and say what is wrong with it.
    Check {
        /// The file.
        file: PathBuf,
    },
    /// What a run would do now: every step with its gates and exact requests. Nothing is sent.
    Plan {
        /// Name of the playbook.
        name: String,
    },
    /// Run a playbook on consents from a file. With a person, the console asks for each.
    Run {
        /// Name of the playbook.
        name: String,
        /// Consents and overrides; nobody is asked. What is not in it leaves the run open, exit code 4.
        #[arg(long, value_name = "FILE")]
        consent: Option<PathBuf>,
    },
    /// Take a run up again after its driver was lost.
    Resume {
        /// The run; a unique beginning is enough. Without it: the only one that is open.
        run: Option<String>,
        /// Consents and overrides; nobody is asked. What is not in it leaves the run open, exit code 4.
        #[arg(long, value_name = "FILE")]
        consent: Option<PathBuf>,
    },
    /// Give a run up. What it has changed stays; see undo.
    Abort {
        /// The run; a unique beginning is enough.
        run: String,
        /// Why.
        #[arg(long)]
        reason: String,
    },
    /// Put back what a step of a run has changed, as it was before.
    Undo {
        /// The run; a unique beginning is enough.
        run: String,
        /// Id of the step.
        step: String,
        /// Send it; without this it is only shown.
        #[arg(long)]
        yes: bool,
    },
}

/// What to do with journals.
#[derive(Debug, Subcommand)]
pub enum JournalCommand {
    /// Every run, newest first.
    List,
    /// One run: its records, its steps, its figures.
    Show {
        /// The run; a unique beginning is enough.
        run: String,
    },
    /// Read the exact loss from the old side after its return, and write it into the run's journal.
    Measure {
        /// The run; a unique beginning is enough.
        run: String,
    },
    /// Check the hash chain of one run, or of all. Nothing is repaired; one that is damaged or torn is exit code 1.
    Verify {
        /// The run; a unique beginning is enough.
        run: Option<String>,
    },
}

/// What to do with the configuration.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print a commented configuration to start from.
    Init,
    /// Say what is wrong with the configuration.
    Check,
    /// Print the resolved configuration, secrets masked.
    Show,
}

/// What to do with keymaps.
#[derive(Debug, Subcommand)]
pub enum KeymapCommand {
    /// Print the keymap with its actions.
    Print {
        /// A preset: default, vim, k9s.
        #[arg(default_value = "default")]
        preset: String,
    },
    /// Read a keymap file and say what is wrong with it.
    Check {
        /// The file.
        file: PathBuf,
    },
}

/// What to do with themes.
#[derive(Debug, Subcommand)]
pub enum ThemeCommand {
    /// Every built-in theme.
    List,
    /// Read a theme file and say what is wrong with it.
    Check {
        /// The file.
        file: PathBuf,
    },
}
