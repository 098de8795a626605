// SPDX-License-Identifier: MPL-2.0
//! The log: to stderr only, as text or JSON, with level and form changeable while running.

use std::fmt;
use std::io::stderr;

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Layered, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, reload};

use crate::config::{LogFormat, Settings};

/// Modules (all that begin so) that say at `info` what the ready line says better; a filter may name
/// them again.
const QUIET: &str = "libp2p=warn";

/// Modules that log whole messages, secrets among them, so that no level may show them.
const SILENT: &str = "rmcp=warn";

/// `log_level` is neither a level nor a filter.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not a log level or filter")]
pub struct InvalidFilter;

/// What is logged, and how.
#[derive(Clone, Debug)]
pub struct Config {
    format: LogFormat,
    directives: String,
}

impl Config {
    /// The log described by `settings`.
    ///
    /// # Errors
    /// [`InvalidFilter`].
    pub fn new(settings: &Settings) -> Result<Self, InvalidFilter> {
        let level = settings.log_level.to_ascii_lowercase();
        // A lone word that is no level would pass for the name of a module, and silence all others.
        if !level.contains(['=', ',']) {
            level.parse::<LevelFilter>().map_err(|_| InvalidFilter)?;
        }
        let mut directives = match level.parse() {
            Ok(LevelFilter::INFO) | Err(_) => format!("{QUIET},{level}"),
            Ok(_) => level,
        };
        directives = format!("{SILENT},{directives}");
        for component in &settings.log_debug_components {
            directives = format!("{directives},{component}=debug");
        }
        EnvFilter::builder()
            .parse(&directives)
            .map_err(|_| InvalidFilter)?;
        Ok(Self {
            format: settings.log_format,
            directives,
        })
    }

    fn filter(&self) -> EnvFilter {
        EnvFilter::new(&self.directives)
    }

    fn lines(&self) -> Lines {
        let lines = tracing_subscriber::fmt::layer()
            .with_writer(stderr)
            .with_ansi(false);
        match self.format {
            LogFormat::Text => lines.with_target(false).boxed(),
            LogFormat::Json => lines.json().boxed(),
        }
    }
}

type Filter = reload::Layer<EnvFilter, Registry>;
type Filtered = Layered<Filter, Registry>;
type Lines = Box<dyn Layer<Filtered> + Send + Sync>;

/// The running log.
#[derive(Clone)]
pub struct Log {
    filter: reload::Handle<EnvFilter, Registry>,
    lines: reload::Handle<Lines, Filtered>,
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").finish_non_exhaustive()
    }
}

impl Log {
    /// Starts logging for the whole process; a second start changes nothing.
    pub fn start(config: &Config) -> Self {
        let (filter, filter_handle) = reload::Layer::new(config.filter());
        let (lines, lines_handle) = reload::Layer::new(config.lines());
        let subscriber = tracing_subscriber::registry().with(filter).with(lines);
        // Only tests start it twice in one process; the first one keeps the lines then.
        let _ = subscriber.try_init();
        Self {
            filter: filter_handle,
            lines: lines_handle,
        }
    }

    /// Logs as `config` says from now on.
    pub fn apply(&self, config: &Config) {
        // Fails only when the subscriber is gone, and with it every reader of the log.
        let _ = self.filter.reload(config.filter());
        let _ = self.lines.reload(config.lines());
    }
}
