//! Instants as the ledger stores them: whole Unix seconds.

use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::{Database, Decode, Encode, Type};

use crate::model::time::UnixTime;

impl<DB: Database> Type<DB> for UnixTime
where
    i64: Type<DB>,
{
    fn type_info() -> DB::TypeInfo {
        i64::type_info()
    }

    fn compatible(info: &DB::TypeInfo) -> bool {
        i64::compatible(info)
    }
}

impl<'q, DB: Database> Encode<'q, DB> for UnixTime
where
    i64: Encode<'q, DB>,
{
    fn encode_by_ref(&self, buffer: &mut DB::ArgumentBuffer) -> Result<IsNull, BoxDynError> {
        self.seconds().encode_by_ref(buffer)
    }
}

impl<'r, DB: Database> Decode<'r, DB> for UnixTime
where
    i64: Decode<'r, DB>,
{
    fn decode(value: DB::ValueRef<'r>) -> Result<Self, BoxDynError> {
        i64::decode(value).map(Self::from_seconds)
    }
}
