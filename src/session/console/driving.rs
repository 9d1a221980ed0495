//! The console and the run it drives: orders out, news in.

use super::Console;
use crate::console::{Event, RunNews};
use crate::domain::fleet::happening::Weight;
use crate::playbook::measure::measure;
use crate::runner::{News, Order};
use crate::session::run::{self, Driving, RunError};
use crate::session::setup::Access;

impl Console {
    /// The old side is back and can be read: what was estimated becomes exact. Only a console that may write keeps the
    /// journal.
    pub(super) fn measure_loss(&mut self) {
        let Some(run) = self.state.run.as_ref().map(|followed| &followed.run) else { return };
        let settled = run.ended.is_some() && self.driving.is_none() && self.setup.access == Access::MayWrite;
        if !settled || measure(run, &self.state.fleet).is_none() {
            return;
        }
        let id = run.declared.run.clone();
        match run::measure_loss(&self.setup, &self.state.fleet, &id) {
            Ok(Some(record)) => self.happen(Event::Run(RunNews::Recorded(Box::new(record)))),
            Ok(None) => {}
            Err(error) => tracing::warn!("the loss was not written down: {error}"),
        }
    }

    pub(super) async fn take_news(&mut self, news: Option<News>) {
        match news {
            Some(News::Recorded(record)) => self.happen(Event::Run(RunNews::Recorded(Box::new(record)))),
            Some(News::Waiting(text) | News::Refused(text)) => {
                self.happen(Event::Notice { weight: Weight::Warn, text })
            }
            Some(News::Trouble(why)) => self.happen(Event::Run(RunNews::Trouble(why))),
            // The console makes its own from the same run and picture.
            Some(News::Proposal(_)) => {}
            None => self.driver_ended().await,
        }
    }

    pub(super) async fn driver_ended(&mut self) {
        let Some(driving) = self.driving.take() else { return };
        self.sources.hurry(false);
        match driving.task.await {
            Ok(Ok(run)) if run.ended.is_some() => {}
            Ok(Ok(run)) => self.happen(Event::Run(RunNews::Opened { run: Box::new(run), driving: false })),
            Ok(Err(error)) => self.happen(Event::Run(RunNews::Trouble(error.to_string()))),
            Err(error) => self.happen(Event::Run(RunNews::Trouble(format!("the driver was lost: {error}")))),
        }
    }

    pub(super) fn start(&mut self, name: &str) {
        let Some(playbook) = self.state.playbooks.iter().find(|playbook| playbook.name == name).cloned() else {
            return;
        };
        let driving = run::start(&self.setup, self.snapshot(), playbook);
        self.drive(driving);
    }

    pub(super) fn drive(&mut self, driving: Result<Driving, RunError>) {
        match driving {
            Ok(driving) => {
                if let Some(torn) = &driving.torn {
                    let text =
                        format!("a crash had torn {} bytes off the journal; they are kept beside it", torn.bytes);
                    self.happen(Event::Notice { weight: Weight::Warn, text });
                }
                let run = Box::new(driving.run.clone());
                self.driving = Some(driving);
                self.sources.hurry(true);
                self.happen(Event::Run(RunNews::Opened { run, driving: true }));
            }
            Err(error) => self.happen(Event::Notice { weight: Weight::Bad, text: error.to_string() }),
        }
    }

    pub(super) fn order(&mut self, order: Order) {
        let sent = self.driving.as_ref().is_some_and(|driving| driving.orders.try_send(order).is_ok());
        if !sent {
            let text = "this console does not drive the run, or it is busy: try again".to_owned();
            self.happen(Event::Notice { weight: Weight::Warn, text });
        }
    }
}
