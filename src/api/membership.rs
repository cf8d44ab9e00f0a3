//! Functions shared by all kinds of membership: keys, lists per user, roles.

use crate::error::{Result, escaped};
use crate::odata::{Filter, Key, Navigation, Query};
use crate::resource::write_request::RowWriter;

use crate::resource::keys::{UserKey, not_empty};
use crate::resource::read::ReadTarget;
use crate::resource::schema::Resource;
use crate::resource::write::RowSelector;
use crate::rows::User;

pub(crate) const ROLE_NAME: &str = "role_name";

/// Defines the key type of a membership: its id, or the ids of its two sides.
macro_rules! pair_key {
    (
        $(#[$doc:meta])*
        $name:ident, $argument:literal;
        $(#[$pair_doc:meta])*
        $pair:ident {
            $(#[$one_doc:meta])* $one:ident: $one_id:ty = $one_column:literal,
            $(#[$other_doc:meta])* $other:ident: $other_id:ty = $other_column:literal,
        }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            /// The numeric id.
            Id(i64),
            $(#[$pair_doc])*
            $pair {
                $(#[$one_doc])*
                $one: $one_id,
                $(#[$other_doc])*
                $other: $other_id,
            },
        }

        impl $name {
            /// # Errors
            /// `is_invalid_argument` if an id is not positive.
            pub(crate) fn key(self) -> $crate::Result<$crate::odata::Key> {
                use $crate::resource::keys::check_id;
                Ok(match self {
                    Self::Id(id) => $crate::odata::Key::id(check_id($argument, id)?),
                    Self::$pair { $one, $other } => {
                        $crate::odata::Key::of($one_column, check_id(stringify!($one), $one.get())?)
                            .and($other_column, check_id(stringify!($other), $other.get())?)
                    }
                })
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match self {
                    Self::Id(id) => id.fmt(f),
                    Self::$pair { $one, $other } => write!(
                        f,
                        concat!("of ", stringify!($one), " {} and ", stringify!($other), " {}"),
                        $one, $other
                    ),
                }
            }
        }

        impl From<i64> for $name {
            fn from(id: i64) -> Self {
                Self::Id(id)
            }
        }

        // An integer literal is an `i32`.
        impl From<i32> for $name {
            fn from(id: i32) -> Self {
                Self::Id(id.into())
            }
        }
    };
}
pub(crate) use pair_key;

/// Returns the target of a user's memberships.
pub(crate) fn of_user<R: Resource>(user: &Navigation<R, User>, key: &UserKey) -> Result<ReadTarget> {
    key.check()?;
    let theirs: Filter<R> = match key {
        UserKey::Id(id) => user.id().eq(id.get()),
        UserKey::Name(name) => user.any(User::USERNAME.eq(name.as_str())),
    };
    Ok(ReadTarget::list::<R>(Query::new().filter(theirs)))
}

/// Sets the role of a membership. The column is named after the role's resource.
pub(crate) async fn change_role<M: Resource, R: Resource>(
    writer: &RowWriter,
    row: Key,
    name: &str,
) -> Result<()> {
    let role = writer.core().id_of(role::<R>(name)?).await?;
    writer.change(M::NAME, &RowSelector::Key(row), &serde_json::json!({ R::NAME: role })).await
}

/// Returns the target of the role with this name.
pub(crate) fn role<R: Resource>(name: &str) -> Result<ReadTarget> {
    not_empty(ROLE_NAME, name)?;
    Ok(ReadTarget::one::<R>(Some(Key::of("name", name)), Query::new(), escaped(name)))
}
