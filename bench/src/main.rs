//! `server CERTIFICATE KEY`: answers everything that the clients ask, over plain HTTP and TLS.
//! `client WHO WORK URL`: does one work as `agent`, `hyper` or `reqwest`, and tells what that took as a line of JSON.

mod agent;
mod floors;
mod server;
mod work;

use std::error::Error;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["server", certificate, key] => server::run(certificate, key),
        ["client", who, work, url] => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let work = work.parse()?;
            let spent = runtime.block_on(async {
                match who {
                    "agent" => agent::perform(work, url).await,
                    "hyper" => floors::hyper(work, url).await,
                    "reqwest" => floors::reqwest(work, url).await,
                    _ => Err(format!("there is no client `{who}`").into()),
                }
            })?;
            println!("{spent}");
            Ok(())
        }
        _ => Err("usage: server CERTIFICATE KEY | client WHO WORK URL".into()),
    }
}
