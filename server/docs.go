package server

import (
	"compress/gzip"
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/swaggest/swgui/v5/static"

	"example.com/pagila-api/api"
	"example.com/pagila-api/gen"
)

// pagePolicy allows Swagger UI and the shop page to load only this server's own files. Swagger UI needs the data: images.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
	"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// assetMaxAge lets a browser cache the large files of both pages for an hour. Those of Swagger UI have no version in
// their names, and a new version of the server may have new ones.
const assetMaxAge = "public, max-age=3600"

// docsPage is this server's own part of the page. The rest belongs to Swagger UI.
//
//go:embed docs
var docsPage embed.FS

// swaggerUI has the files of Swagger UI that the page uses. They are unpacked when they are first requested, because
// they take 1.6 MB of memory, and most servers in production are never asked for them. The tests request each of them.
// The media types are given, because package mime would depend on the machine's configuration.
var swaggerUI = map[string]func() (file, error){
	"swagger-ui.css":       swaggerFile("swagger-ui.css.gz", "text/css; charset=utf-8"),
	"swagger-ui-bundle.js": swaggerFile("swagger-ui-bundle.js.gz", "text/javascript; charset=utf-8"),
	"favicon-32x32.png":    swaggerFile("favicon-32x32.png", "image/png"),
}

func swaggerFile(name, contentType string) func() (file, error) {
	return sync.OnceValues(func() (file, error) {
		body, err := readAsset(static.FS, name)
		if err != nil {
			return file{}, fmt.Errorf("read Swagger UI's %s: %w", name, err)
		}
		return file{contentType: contentType, body: body, page: true, cache: assetMaxAge}, nil
	})
}

// docs holds the contract in its three forms, prepared once.
type docs struct {
	yaml, json, page file
	assets           map[string]file // this server's own
}

func newDocs(contract *openapi3.T) (docs, error) {
	asJSON, err := json.Marshal(contract)
	if err != nil {
		return docs{}, fmt.Errorf("write the contract as JSON: %w", err)
	}
	page, err := docsPage.ReadFile("docs/index.html")
	if err != nil {
		return docs{}, err
	}
	script, err := docsPage.ReadFile("docs/init.js")
	if err != nil {
		return docs{}, err
	}
	style, err := docsPage.ReadFile("docs/page.css")
	if err != nil {
		return docs{}, err
	}
	d := docs{
		yaml: file{contentType: "application/yaml", body: api.YAML},
		json: file{contentType: "application/json", body: asJSON},
		page: file{contentType: "text/html; charset=utf-8", body: page, page: true},
		assets: map[string]file{
			"init.js":  {contentType: "text/javascript; charset=utf-8", body: script, page: true},
			"page.css": {contentType: "text/css; charset=utf-8", body: style, page: true},
		},
	}
	return d, nil
}

func readAsset(fsys fs.FS, name string) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if !strings.HasSuffix(name, ".gz") {
		return io.ReadAll(f)
	}
	r, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// file is a response that was prepared in advance.
type file struct {
	contentType string
	body        []byte
	page        bool   // belongs to a page, so its policy applies
	vary        string // Vary; "" means that the response does not depend on the request's headers
	cache       string // Cache-Control; "" means no-store
}

func (f file) write(w http.ResponseWriter) error {
	header := w.Header()
	header.Set("Content-Type", f.contentType)
	header.Set("Content-Length", strconv.Itoa(len(f.body)))
	if f.page {
		header.Set("Content-Security-Policy", pagePolicy)
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("Cross-Origin-Resource-Policy", "same-origin")
	}
	if f.vary != "" {
		header.Add("Vary", f.vary)
	}
	if f.cache != "" {
		header.Set("Cache-Control", f.cache)
	}
	_, err := w.Write(f.body)
	return err
}

// The generated interfaces require a method for each operation.

func (f file) VisitGetContractYAMLResponse(w http.ResponseWriter) error { return f.write(w) }
func (f file) VisitGetContractJSONResponse(w http.ResponseWriter) error { return f.write(w) }
func (f file) VisitGetDocsResponse(w http.ResponseWriter) error         { return f.write(w) }
func (f file) VisitGetDocsAssetResponse(w http.ResponseWriter) error    { return f.write(w) }

// GetContractYAML responds with the contract as YAML.
func (s *Server) GetContractYAML(context.Context, gen.GetContractYAMLRequestObject) (gen.GetContractYAMLResponseObject, error) {
	return s.docs.yaml, nil
}

// GetContractJSON responds with the contract as JSON.
func (s *Server) GetContractJSON(context.Context, gen.GetContractJSONRequestObject) (gen.GetContractJSONResponseObject, error) {
	return s.docs.json, nil
}

// GetDocs responds with Swagger UI.
func (s *Server) GetDocs(context.Context, gen.GetDocsRequestObject) (gen.GetDocsResponseObject, error) {
	return s.docs.page, nil
}

// GetDocsAsset responds with a file of Swagger UI.
func (s *Server) GetDocsAsset(_ context.Context, request gen.GetDocsAssetRequestObject) (gen.GetDocsAssetResponseObject, error) {
	if f, ok := s.docs.assets[request.Asset]; ok {
		return f, nil
	}
	load, ok := swaggerUI[request.Asset]
	if !ok {
		return nil, errNoRoute
	}
	return load()
}
