//! Lists page by page, with keyset pagination: each page starts after the last id of the previous one. Rows that are
//! added or deleted meanwhile neither skip nor repeat others. One page is in memory at a time.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::core::Core;
use crate::error::{Error, Result};
use crate::http::BoxFuture;
use crate::odata::Query;

use super::keys::IdRow;
use super::read::{ReadTarget, rows};
use super::read_request::List;
use super::schema::Resource;

/// Default number of rows of a page.
const DEFAULT_PAGE_SIZE: u32 = 500;

/// The request of a page, once known.
struct PageQuery {
    resource: &'static str,
    query: Query,
}

type PageFuture<T> = BoxFuture<'static, Result<(PageQuery, Vec<T>, Option<i64>)>>;

/// A list as a `Stream` of pages (`Vec<T>`). Ends at the first empty page.
pub struct Pages<T> {
    core: Arc<Core>,
    size: u32,
    state: State<T>,
}

enum State<T> {
    Planning(BoxFuture<'static, Result<PageQuery>>),
    Fetching(PageFuture<T>),
    /// No page is requested; holds the plan and the last id of the previous page.
    Between(PageQuery, i64),
    Done,
}

impl<R: Resource, T: DeserializeOwned + Send + 'static> List<R, T> {
    /// Reads the list in pages of `size` rows. Polling requests the next page.
    ///
    /// Rows are ordered by id; `id` is added to a select.
    ///
    /// # Errors
    /// The first item is `is_invalid_argument` if the caller set an order, a limit or an offset, or if `size` is 0.
    pub fn pages(self, size: u32) -> Pages<T> {
        let (core, target, options) = self.into_parts();
        let plan = async move {
            if size == 0 {
                return Err(Error::argument("size", "it must be at least 1"));
            }
            let options = options?;
            if options.is_ordered() || options.is_limited() || options.is_count() {
                return Err(Error::argument(
                    "options",
                    "pages are ordered by id and take no other order, limit, offset or count",
                ));
            }
            let ReadTarget { resource, key, defaults, parent: within, .. } = target.await?;
            if key.is_some() || within.is_some() {
                return Err(Error::argument("options", "this list is part of one row and can't be paged"));
            }
            let by_id = Query::from_json(&json!({ "$orderby": { "id": "asc" }, "$top": size }))?;
            let mut query = defaults.merge(options)?.merge(by_id)?;
            if !query.selected().is_empty() {
                query = query.select(["id"]);
            }
            Ok(PageQuery { resource, query })
        };
        Pages { core, size, state: State::Planning(Box::pin(plan)) }
    }

    /// Reads the rows of the list one by one, in pages of 500. As [`pages`](Self::pages).
    pub fn items(self) -> Items<T> {
        Items { pages: self.pages(DEFAULT_PAGE_SIZE), page: VecDeque::new() }
    }
}

impl<T: DeserializeOwned + Send + 'static> Pages<T> {
    fn fetch(&self, plan: PageQuery, after: Option<i64>) -> PageFuture<T> {
        let core = self.core.clone();
        Box::pin(async move {
            let query = match after {
                Some(id) => plan
                    .query
                    .clone()
                    .merge(Query::from_json(&json!({ "$filter": { "id": { "$gt": id } } }))?)?,
                None => plan.query.clone(),
            };
            let response = core.read(plan.resource, None, &query).await?;
            let page: Vec<RowWithId<T>> = rows(&response)?;
            let last = page.last().map(|both| both.id.id);
            Ok((plan, page.into_iter().map(|both| both.row).collect(), last))
        })
    }

    /// Waits for the next page. Returns `None` at the end.
    pub async fn next(&mut self) -> Option<Result<Vec<T>>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

/// A row with its id, even if `T` has no id.
struct RowWithId<T> {
    id: IdRow,
    row: T,
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for RowWithId<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error as _;
        let value = serde_json::Value::deserialize(deserializer)?;
        let id = IdRow::deserialize(&value).map_err(D::Error::custom)?;
        Ok(Self { id, row: serde_json::from_value(value).map_err(D::Error::custom)? })
    }
}

impl<T: DeserializeOwned + Send + 'static> Stream for Pages<T> {
    type Item = Result<Vec<T>>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            match std::mem::replace(&mut this.state, State::Done) {
                State::Planning(mut plan) => match plan.as_mut().poll(cx) {
                    Poll::Pending => {
                        this.state = State::Planning(plan);
                        return Poll::Pending;
                    }
                    Poll::Ready(plan) => this.state = State::Fetching(this.fetch(plan?, None)),
                },
                State::Between(plan, last) => this.state = State::Fetching(this.fetch(plan, Some(last))),
                State::Fetching(mut page) => match page.as_mut().poll(cx) {
                    Poll::Pending => {
                        this.state = State::Fetching(page);
                        return Poll::Pending;
                    }
                    Poll::Ready(fetched) => {
                        let (plan, page, last) = fetched?;
                        // A short page is not the end: the API may have a lower limit.
                        let Some(last) = last else { return Poll::Ready(None) };
                        this.state = State::Between(plan, last);
                        return Poll::Ready(Some(Ok(page)));
                    }
                },
                State::Done => return Poll::Ready(None),
            }
        }
    }
}

impl<T> fmt::Debug for Pages<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages").field("size", &self.size).finish_non_exhaustive()
    }
}

/// A list as a `Stream` of rows.
pub struct Items<T> {
    pages: Pages<T>,
    page: VecDeque<T>,
}

impl<T: DeserializeOwned + Send + 'static> Items<T> {
    /// Waits for the next row. Returns `None` at the end.
    pub async fn next(&mut self) -> Option<Result<T>>
    where
        T: Unpin,
    {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl<T: DeserializeOwned + Send + Unpin + 'static> Stream for Items<T> {
    type Item = Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(row) = self.page.pop_front() {
                return Poll::Ready(Some(Ok(row)));
            }
            match ready!(Pin::new(&mut self.pages).poll_next(cx)) {
                Some(Ok(page)) => self.page = page.into(),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
    }
}

impl<T> fmt::Debug for Items<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Items")
    }
}
