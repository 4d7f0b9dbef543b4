"""The dialect of `/api/…`: what its bodies and answers are, as types from which its OpenAPI document is made."""
