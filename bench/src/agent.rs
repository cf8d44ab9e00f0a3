//! The works as balena-agent's library does them.

use balena_agent::{Balena, LogEvent, Settings};
use futures_util::future::try_join_all;

use crate::Outcome;
use crate::work::{AT_ONCE, GETS, LINES, ROWS, Spent, Started, TAGS, TOKEN, UUID, Work};

/// The authority of a TLS server comes from the environment, as on a device.
pub(crate) async fn perform(work: Work, url: &str) -> Outcome<Spent> {
    let settings = Settings { api_endpoint: Some(url.to_owned()), ..Settings::default() };
    let environment = balena_agent::Environment::from_process()?;
    let balena = Balena::builder().environment(environment).settings(settings);
    let balena = balena.token(TOKEN.to_owned().into()).try_build()?;
    balena.device().get(UUID).await?;
    let started = Started::now()?;
    match work {
        Work::Gets => {
            for _ in 0..GETS {
                balena.device().get(UUID).await?;
            }
        }
        Work::AtOnce => {
            let calls = (0..AT_ONCE).map(|_| balena.device().get(UUID).into_future());
            try_join_all(calls).await?;
        }
        Work::List => {
            let devices = balena.device().get_all_by_application(1).await?;
            assert_eq!(devices.len(), ROWS);
        }
        Work::Tags => {
            for number in 0..TAGS {
                balena.device().tags().set(UUID, "site", number.to_string()).await?;
            }
        }
        Work::Logs => {
            let mut log = balena.logs().subscribe(UUID).count(u32::try_from(LINES)?).await?;
            let mut lines = 0;
            while lines < LINES {
                match log.next().await.ok_or("the log ended")?? {
                    LogEvent::Line(_) => lines += 1,
                    other => return Err(format!("{other:?}").into()),
                }
            }
        }
    }
    started.done()
}
