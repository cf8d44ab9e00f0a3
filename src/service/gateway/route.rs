//! What a route is. The routes themselves are in [`table`](super::table).

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use http::{Method, StatusCode};

use super::call::Call;
use super::path::Params;
use super::response::{Answer, Response};
use super::schema::Schema;
use crate::service::context::Context;
use crate::service::scope::{ActionName, Scope};

/// Answers a request of a route.
pub(crate) type Handler = fn(Arc<Context>, Call) -> Pending;

/// An answer to come.
pub(crate) type Pending = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// Returns a response that is there already, as a future.
pub(crate) fn ready(response: Response) -> Pending {
    tried(Ok(response))
}

/// Returns an answer that is there already, as a future.
pub(crate) fn tried(answer: Answer) -> Pending {
    Box::pin(std::future::ready(answer))
}

/// Describes a JSON value. A function, because a description is needed rarely.
pub(crate) type Shape = fn() -> Schema;

/// One route. Made in the table only, by [`Operation::get`], [`Operation::post`], …, and [`Operation::by`].
#[derive(Debug)]
pub(crate) struct Route {
    /// What is asked and answered.
    pub(crate) operation: Operation,
    /// Answers a request.
    pub(crate) handler: Handler,
}

/// Everything the gateway and its description need to know about a route.
#[derive(Debug)]
pub(crate) struct Operation {
    /// Method; a route that reads also answers `HEAD`.
    pub(crate) method: Method,
    /// Path with parameters, e.g. `/agent/v1/locks/{name}`.
    pub(crate) path: &'static str,
    /// Who may use it.
    pub(crate) access: Access,
    /// What a request does.
    pub(crate) nature: Nature,
    /// One sentence.
    pub(crate) summary: &'static str,
    /// Query parameters. Others are refused below `/agent/`.
    pub(crate) query: &'static [QueryField],
    /// The JSON body, if the route takes one.
    pub(crate) takes: Option<Shape>,
    /// Responses other than the refusals that each route has by its nature.
    pub(crate) gives: &'static [Gives],
}

/// Who may use a route.
#[derive(Debug)]
pub(crate) enum Access {
    /// Everyone, known or not.
    Anyone,
    /// Whoever has any scope.
    Known,
    /// Clients with this scope.
    Scope(Scope),
    /// Clients with the scope of this action on the service that the path parameter `name` names.
    ServiceAction(ActionName),
    /// Clients with this scope, and on a WebSocket also who is not known yet: the first message carries the token.
    ScopeOrFirstMessage(Scope),
}

impl Access {
    /// Returns the scope that a request needs, if it needs a certain one.
    pub(crate) fn need(&self, params: &Params) -> Option<Scope> {
        match self {
            Self::Anyone | Self::Known => None,
            Self::Scope(scope) | Self::ScopeOrFirstMessage(scope) => Some(scope.clone()),
            Self::ServiceAction(action) => {
                Some(Scope::Action { action: *action, service: Some(params.get("name").to_owned()) })
            }
        }
    }
}

/// What a request of a route does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nature {
    /// Changes nothing and ends.
    Read,
    /// Changes something. Its body has to be JSON and it may not come from a web page of another origin.
    Change,
    /// Changes nothing and stays open.
    Stream,
}

/// A query parameter.
#[derive(Debug)]
pub(crate) struct QueryField {
    /// Name.
    pub(crate) name: &'static str,
    /// Its value.
    pub(crate) shape: Shape,
}

/// A response.
#[derive(Debug)]
pub(crate) struct Gives {
    /// Status.
    pub(crate) status: StatusCode,
    /// When it is given, in a sentence.
    pub(crate) when: &'static str,
    /// Content type; empty without a body.
    pub(crate) content_type: &'static str,
    /// The body.
    pub(crate) shape: Shape,
}

impl Gives {
    /// A response with a JSON body.
    pub(crate) const fn json(status: StatusCode, when: &'static str, shape: Shape) -> Self {
        Self { status, when, content_type: "application/json", shape }
    }

    /// A response with another body.
    pub(crate) const fn text(
        status: StatusCode,
        when: &'static str,
        content_type: &'static str,
        shape: Shape,
    ) -> Self {
        Self { status, when, content_type, shape }
    }
}

impl Operation {
    const fn new(
        method: Method,
        path: &'static str,
        access: Access,
        nature: Nature,
        summary: &'static str,
    ) -> Self {
        Self { method, path, access, nature, summary, query: &[], takes: None, gives: &[] }
    }

    /// A route that reads.
    pub(crate) const fn get(path: &'static str, access: Access, summary: &'static str) -> Self {
        Self::new(Method::GET, path, access, Nature::Read, summary)
    }

    /// A route that stays open: a WebSocket or server-sent events.
    pub(crate) const fn stream(path: &'static str, access: Access, summary: &'static str) -> Self {
        Self::new(Method::GET, path, access, Nature::Stream, summary)
    }

    /// A route that changes something, with `POST`.
    pub(crate) const fn post(path: &'static str, access: Access, summary: &'static str) -> Self {
        Self::new(Method::POST, path, access, Nature::Change, summary)
    }

    /// A route that changes something, with `PUT`.
    pub(crate) const fn put(path: &'static str, access: Access, summary: &'static str) -> Self {
        Self::new(Method::PUT, path, access, Nature::Change, summary)
    }

    /// A route that removes something, with `DELETE`.
    pub(crate) const fn delete(path: &'static str, access: Access, summary: &'static str) -> Self {
        Self::new(Method::DELETE, path, access, Nature::Change, summary)
    }

    /// Sets the query parameters.
    pub(crate) const fn query(mut self, fields: &'static [QueryField]) -> Self {
        self.query = fields;
        self
    }

    /// Sets the JSON body that the route takes.
    pub(crate) const fn takes(mut self, shape: Shape) -> Self {
        self.takes = Some(shape);
        self
    }

    /// Sets the responses.
    pub(crate) const fn gives(mut self, responses: &'static [Gives]) -> Self {
        self.gives = responses;
        self
    }

    /// Sets the handler.
    pub(crate) const fn by(self, handler: Handler) -> Route {
        Route { operation: self, handler }
    }
}
