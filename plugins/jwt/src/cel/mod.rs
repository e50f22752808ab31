//! Logins that a program of the role decides, in the Common Expression Language: from what a token claims it makes the login, or
//! says why there is none.
//! <https://openbao.org/api-docs/auth/jwt/#create-cel-role>
//!
//! The token is verified as for any other role. The program then is all there is: who may log in, as whom, and with which
//! policies. It reads nothing but the token's claims and the time, and is bounded in size and steps.

mod claims;
mod login;
mod made;
mod prepare;
mod program;
mod role;
#[cfg(test)]
mod tests;

pub(crate) use login::{PATH as LOGIN, is_ours, renew};
pub(crate) use role::{LIST, PATH as ROLE};
