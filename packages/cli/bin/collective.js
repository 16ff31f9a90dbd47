#!/usr/bin/env node
import "./mesh.js";
