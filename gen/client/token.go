package client

import (
	"context"
	"net/url"
)

// CreateToken calls POST /token: log in with a username and a password. Pass the token to [WithToken].
func (a *API) CreateToken(ctx context.Context, username, password string) (*Token, error) {
	return call[Token](ctx, a, exchange{
		operation: "createToken",
		method:    "POST",
		path:      "/token",
		body:      url.Values{"grant_type": {"password"}, "username": {username}, "password": {password}},
	})
}
