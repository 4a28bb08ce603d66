//! Log lines in the form of Redis's: pid, role, time, a mark for the level, the text.

use std::fmt;
use std::fs::OpenOptions;
use std::sync::Mutex;

use perigee_commands::config::{Config, Param};
use perigee_commands::system_reason;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{ChronoLocal, FormatTime};
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt;

/// Sends log lines to `logfile`, or to standard output. `loglevel` can change while the server runs.
pub(crate) fn start(config: &Config) -> anyhow::Result<()> {
    let path = config.text(Param::LogFile);
    let writer = if path.is_empty() {
        BoxMakeWriter::new(std::io::stdout)
    } else {
        let file = OpenOptions::new().create(true).append(true).open(&path);
        let file = file.map_err(|error| {
            anyhow::anyhow!("Can't open the log file '{path}': {}", system_reason(&error))
        })?;
        BoxMakeWriter::new(Mutex::new(file))
    };
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .event_format(LogLine::default())
        .with_writer(writer);
    let (filter, handle) = reload::Layer::new(level(config));
    config.observe(move |config, changed| {
        if changed == Param::LogLevel as usize {
            // It fails only when the log has ended, with the process.
            drop(handle.reload(level(config)));
        }
    });
    tracing_subscriber::registry().with(filter).with(lines).init();
    Ok(())
}

fn level(config: &Config) -> LevelFilter {
    match config.number(Param::LogLevel) {
        0 => LevelFilter::TRACE,
        1 => LevelFilter::DEBUG,
        2 => LevelFilter::INFO,
        3 => LevelFilter::WARN,
        _ => LevelFilter::OFF,
    }
}

struct LogLine {
    time: ChronoLocal,
}

impl Default for LogLine {
    fn default() -> Self {
        LogLine { time: ChronoLocal::new("%d %b %Y %H:%M:%S%.3f".to_owned()) }
    }
}

impl<S, N> FormatEvent<S, N> for LogLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        write!(writer, "{}:M ", std::process::id())?;
        self.time.format_time(&mut writer)?;
        let mark = match *event.metadata().level() {
            Level::ERROR | Level::WARN => '#',
            Level::INFO => '*',
            Level::DEBUG => '-',
            Level::TRACE => '.',
        };
        write!(writer, " {mark} ")?;
        context.field_format().format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}
