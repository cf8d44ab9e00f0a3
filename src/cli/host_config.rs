//! The arguments of `device set-host-config`.

mod address;

use std::future::IntoFuture as _;
use std::io::Read as _;

use clap::Args;

use crate::api::device::Local;
use crate::error::{Error, Result};
use crate::supervisor::{Dns, HostConfigOutcome, HostConfigPatch, ProxyPatch};

use super::Context;
use super::flags::Force;
use super::output::{self, Output, io_error};
use super::signals::Signals;

/// Longest password, in bytes. Longer input is rejected: a truncated password would be wrong.
const PASSWORD_LIMIT: u64 = 4096;

#[derive(Debug, Args)]
pub(super) struct HostConfigArguments {
    /// Host name; empty resets it to the start of the device's uuid
    #[arg(long)]
    hostname: Option<String>,
    /// Proxy, replaces the stored one: TYPE://ADDRESS:PORT, with type socks4, socks5, http-connect or http-relay, and
    /// one IPv4 address or host name. If the stored proxy has a login and this one has none, the old one is removed
    /// first: if the command is killed then (SIGKILL, power loss), the host has no proxy until it is run again
    #[arg(long, value_name = "PROXY", conflicts_with = "remove_proxy")]
    proxy: Option<String>,
    /// User name for the proxy; its password is read from stdin
    #[arg(long, requires = "proxy")]
    proxy_login: Option<String>,
    /// Resolve names through the proxy: `default` (8.8.8.8) or ADDRESS:PORT
    #[arg(long, value_name = "RESOLVER", requires = "proxy")]
    proxy_dns: Option<String>,
    /// An address or network to reach without the proxy; may be repeated
    #[arg(long, value_name = "NETWORK", requires = "proxy")]
    no_proxy: Vec<String>,
    /// Remove the proxy and the list of addresses reached without it
    #[arg(long)]
    remove_proxy: bool,
    /// Do nothing if the settings are already stored: storing them again restarts services
    #[arg(long)]
    if_changed: bool,
    #[command(flatten)]
    force: Force,
}

impl HostConfigArguments {
    pub(super) async fn run(&self, context: &Context) -> Result<Output> {
        let mut call = context.balena.device().set_host_config(Local, &self.patch()?);
        if self.force.force {
            call = call.force();
        }
        if self.if_changed {
            call = call.if_changed();
        }
        if let Some(timeout) = context.timeout {
            call = call.deadline(timeout);
        }
        // Between two requests the host may have no proxy, so a signal ends this process only after the last one.
        let mut signals = Signals::listen()?;
        let change = call.into_future();
        tokio::pin!(change);
        let outcome = tokio::select! {
            outcome = &mut change => outcome,
            () = signals.next() => {
                output::remark("finishing the change before the end");
                change.await
            }
        };
        Ok(match outcome? {
            HostConfigOutcome::Unchanged => Output::done("nothing changed: the settings are already stored"),
            _ => Output::done("stored; the host applies the settings, and services may restart"),
        })
    }

    fn patch(&self) -> Result<HostConfigPatch> {
        let mut patch = HostConfigPatch::new();
        match self.hostname.as_deref() {
            Some("") => patch = patch.reset_hostname(),
            Some(hostname) => patch = patch.hostname(hostname),
            None => {}
        }
        if let Some(proxy) = &self.proxy {
            patch = patch.proxy(self.proxy(proxy)?);
        }
        if self.remove_proxy {
            patch = patch.remove_proxy();
        }
        Ok(patch)
    }

    fn proxy(&self, text: &str) -> Result<ProxyPatch> {
        let (kind, ip, port) = address::read(text)?;
        let mut proxy = ProxyPatch::new(kind, ip, port).no_proxy(self.no_proxy.iter());
        match self.proxy_dns.as_deref() {
            None => {}
            Some("default") => proxy = proxy.dns(Dns::Default),
            Some(resolver) => {
                let resolver = resolver
                    .parse()
                    .map_err(|_| Error::argument("--proxy-dns", "give `default` or ADDRESS:PORT"))?;
                proxy = proxy.dns(Dns::At(resolver));
            }
        }
        if let Some(login) = &self.proxy_login {
            // Not an argument: arguments are visible in the process list.
            let mut password = String::new();
            std::io::stdin()
                .take(PASSWORD_LIMIT + 1)
                .read_to_string(&mut password)
                .map_err(|cause| io_error("can't read the password from stdin", cause))?;
            let password = password.trim_end_matches(['\n', '\r']);
            let length = u64::try_from(password.len()).unwrap_or(u64::MAX);
            if !(1..=PASSWORD_LIMIT).contains(&length) {
                return Err(Error::argument(
                    "--proxy-login",
                    format_args!("the password must be on stdin, 1 to {PASSWORD_LIMIT} bytes: `… < FILE`"),
                ));
            }
            proxy = proxy.login(login, password.to_owned().into());
        }
        Ok(proxy)
    }
}
