module github.com/waooaw/plant/functions/search

go 1.26.0

require github.com/waooaw/plant v0.0.0

replace github.com/waooaw/plant => ../..
