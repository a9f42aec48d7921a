//! `wardlink-agent store`: look at the store, get records out, save what can be saved, rotate its key.
//!
//! Everything but `rotate-key` leaves the store as it is; all of it refuses while an agent has the store open.
//! What is damaged is judged by the agent's own recovery.

mod export;
mod show;

use std::io::{IsTerminal, Write, stderr, stdout};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use wardlink_agent::config::Settings;
use wardlink_agent::store::tools::{self, View};
use wardlink_agent::store::{self, Rotation};

use show::Shown;

/// What to do with the store.
#[derive(Debug, Subcommand)]
pub(crate) enum StoreCommand {
    /// Say what is in the store, without opening a record
    Inspect(Look),
    /// Open every seal of what is not delivered yet, and name what does not hold
    Verify(Look),
    /// Print the records that are not delivered yet, one batch a line of JSON
    ///
    /// They are what patients' devices measured: whoever may hold the store key may read them.
    Export(Look),
    /// Copy everything that can be read into a new store, with its places
    Salvage {
        #[command(flatten)]
        look: Look,
        /// Directory of the new store: missing or empty
        #[arg(long, value_name = "DIR")]
        to: PathBuf,
    },
    /// Draw a new store key, wrap everything not delivered under it, and destroy the old one
    RotateKey(Place),
}

impl StoreCommand {
    const fn place(&self) -> &Place {
        match self {
            Self::Inspect(look) | Self::Verify(look) | Self::Export(look) => &look.place,
            Self::Salvage { look, .. } => &look.place,
            Self::RotateKey(place) => place,
        }
    }
}

/// Which store.
#[derive(Debug, Args)]
pub(crate) struct Place {
    /// The gateway's configuration file
    #[arg(long, value_name = "FILE", default_value = crate::INSTALLED)]
    config: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Which store, and where there is room to look at it.
#[derive(Debug, Args)]
pub(crate) struct Look {
    #[command(flatten)]
    place: Place,
    /// Another directory than the configured one, for example a copy
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
    /// Where a store of the engine sled is copied to; removed afterwards
    #[arg(long, value_name = "DIR", default_value_os_t = std::env::temp_dir())]
    scratch: PathBuf,
}

/// Carries it out; 3 means that something in the store is lost.
pub(crate) fn run(command: StoreCommand) -> anyhow::Result<ExitCode> {
    let config = command.place().config.clone();
    let configured = match Settings::load(&config) {
        Ok(configured) => configured,
        Err(faults) => return Ok(crate::refuse(&config, &faults.to_string())),
    };
    match command {
        StoreCommand::Inspect(look) => inspect(&configured, &look),
        StoreCommand::Verify(look) => verify(&configured, &look),
        StoreCommand::Export(look) => export(&configured, &look),
        StoreCommand::Salvage { look, to } => salvage(&configured, &look, to),
        StoreCommand::RotateKey(place) => rotate(&configured, &place),
    }
}

fn inspect(configured: &Settings, look: &Look) -> anyhow::Result<ExitCode> {
    let (gateway, settings, view) = open(configured, look)?;
    Shown::of(&gateway, &settings, &view, &view.damage()).print(look.place.json)
}

fn verify(configured: &Settings, look: &Look) -> anyhow::Result<ExitCode> {
    let (gateway, settings, view) = open(configured, look)?;
    let bar = progress("verified", view.waiting());
    let mut batches = 0;
    view.each(|batch| {
        batches += 1;
        bar.inc(batch.range.count());
        anyhow::Ok(())
    })?;
    bar.finish_and_clear();
    let mut shown = Shown::of(&gateway, &settings, &view, &view.damage());
    shown.seals = Some(batches);
    shown.print(look.place.json)
}

fn export(configured: &Settings, look: &Look) -> anyhow::Result<ExitCode> {
    let (_, _, view) = open(configured, look)?;
    let bar = match stdout().is_terminal() {
        // Lines and a bar on one screen disturb each other.
        true => ProgressBar::hidden(),
        false => progress("exported", view.waiting()),
    };
    let mut out = std::io::BufWriter::new(stdout().lock());
    view.each(|batch| {
        serde_json::to_writer(&mut out, &export::line(&batch)?)?;
        writeln!(out)?;
        bar.inc(batch.range.count());
        anyhow::Ok(())
    })?;
    out.flush()?;
    bar.finish_and_clear();
    let damage = view.damage();
    for lost in &damage {
        writeln!(stderr(), "wardlink-agent: lost: {}", show::line(lost))?;
    }
    Ok(show::exit_code(&damage))
}

fn salvage(configured: &Settings, look: &Look, to: PathBuf) -> anyhow::Result<ExitCode> {
    let (gateway, mut target, view) = open(configured, look)?;
    target.directory = to;
    let bar = progress("salvaged", view.waiting());
    let key = configured.store.key.as_ref();
    let saved = tools::salvage(&view, target, &configured.gateway, key, |count| {
        bar.inc(count)
    })?;
    bar.finish_and_clear();
    show::salvaged(&gateway, &saved, look.place.json)
}

fn rotate(configured: &Settings, place: &Place) -> anyhow::Result<ExitCode> {
    let settings = settings_of(configured);
    match tools::rotate(settings, &configured.gateway, configured.store.key.as_ref())? {
        Rotation::Finished | Rotation::None => {}
        Rotation::Unfinished(reason) => {
            anyhow::bail!("the rotation goes on at the agent's next start: {reason}")
        }
    }
    let text = match place.json {
        true => serde_json::json!({ "rotated": true }).to_string(),
        false => {
            "the store key was rotated: what was delivered before opens with no key any more; \
                  a copy of the old key file is of no use for this store"
                .to_owned()
        }
    };
    writeln!(stdout(), "{text}")?;
    Ok(ExitCode::SUCCESS)
}

fn open(configured: &Settings, look: &Look) -> anyhow::Result<(String, store::Settings, View)> {
    let mut settings = settings_of(configured);
    if let Some(directory) = &look.store {
        settings.directory.clone_from(directory);
    }
    let bar = progress("copied", 0);
    let view = View::open(
        &settings,
        &configured.gateway,
        configured.store.key.as_ref(),
        &look.scratch,
        &|bytes| bar.inc(bytes),
    );
    bar.finish_and_clear();
    Ok((configured.gateway.to_string(), settings, view?))
}

fn settings_of(configured: &Settings) -> store::Settings {
    let mut settings = store::Settings::new(&configured.store.path, configured.store.budget);
    settings.engine = configured.store.engine;
    settings
}

/// On a terminal only, and out of the way of what is printed.
fn progress(what: &'static str, total: u64) -> ProgressBar {
    let target = match stderr().is_terminal() {
        true => ProgressDrawTarget::stderr(),
        false => ProgressDrawTarget::hidden(),
    };
    let form = match total {
        0 => "{spinner} {bytes} {msg}",
        _ => "{wide_bar} {pos}/{len} records {msg}, {eta} left",
    };
    let bar = ProgressBar::with_draw_target((total > 0).then_some(total), target);
    let style = ProgressStyle::with_template(form).unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.set_style(style);
    bar.set_message(what);
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
