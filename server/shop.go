package server

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"example.com/pagila-api/gen"
)

// shopFiles are the shop page and its files, bundled from the sources beside them.
//
//go:embed shop/index.html shop/dist/shop.css shop/dist/shop.js
var shopFiles embed.FS

// shop holds what the root of the server responds with, prepared once.
type shop struct {
	index, page file
	assets      map[string]file
}

func newShop(contract *openapi3.T) (shop, error) {
	index, err := json.Marshal(gen.Index{
		Name:    contract.Info.Title,
		Version: contract.Info.Version,
		Links: gen.IndexLinks{
			Films: "films", Docs: "docs", OpenapiYaml: "openapi.yaml", OpenapiJSON: "openapi.json",
			Readiness: "readyz", Mcp: strings.TrimPrefix(mcpPath, "/"),
		},
	})
	if err != nil {
		return shop{}, fmt.Errorf("write the index: %w", err)
	}
	s := shop{
		index:  file{contentType: "application/json", body: index, vary: "Accept"},
		page:   file{contentType: "text/html; charset=utf-8", page: true, vary: "Accept"},
		assets: map[string]file{},
	}
	if s.page.body, err = shopFiles.ReadFile("shop/index.html"); err != nil {
		return shop{}, err
	}
	for name, contentType := range map[string]string{
		"shop.css": "text/css; charset=utf-8",
		"shop.js":  "text/javascript; charset=utf-8",
	} {
		body, err := shopFiles.ReadFile("shop/dist/" + name)
		if err != nil {
			return shop{}, err
		}
		s.assets[name] = file{contentType: contentType, body: body, page: true}
		// The page names each file by the hash of its content. While several versions of the server run, each has only its
		// own files under these names, so a cached file always has the content that the page means.
		stem, extension, _ := strings.Cut(name, ".")
		hashed := fmt.Sprintf("%s-%.6x.%s", stem, sha256.Sum256(body), extension)
		s.assets[hashed] = file{contentType: contentType, body: body, page: true, cache: assetMaxAge}
		s.page.body = bytes.Replace(s.page.body, []byte("shop/"+name), []byte("shop/"+hashed), 1)
	}
	return s, nil
}

func (f file) VisitGetIndexResponse(w http.ResponseWriter) error     { return f.write(w) }
func (f file) VisitGetShopAssetResponse(w http.ResponseWriter) error { return f.write(w) }

// GetIndex responds with the shop page to a browser, and with an index to any other client.
func (s *Server) GetIndex(ctx context.Context, _ gen.GetIndexRequestObject) (gen.GetIndexResponseObject, error) {
	if prefers(callOf(ctx).request, "text/html", "application/json") {
		return s.shop.page, nil
	}
	return s.shop.index, nil
}

// GetShopAsset responds with a file of the shop page.
func (s *Server) GetShopAsset(_ context.Context, request gen.GetShopAssetRequestObject) (gen.GetShopAssetResponseObject, error) {
	f, ok := s.shop.assets[request.Asset]
	if !ok {
		return nil, errNoRoute
	}
	return f, nil
}
