"""What tests share: servers, projects, proxies, and per engine what its tests look with."""
